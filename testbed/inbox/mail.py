"""The SMTP server of the inbox: takes every password and every recipient."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from testbed.inbox.store import Notification, Store

_LINK = re.compile(r"^(\w+): +(https?://\S+)$", re.MULTILINE)
_STATE = re.compile(r"\[(CRITICAL|HIGH|MEDIUM|LOW)\]")


def smtp_server(store: Store, host: str, port: int) -> Controller:
    """Return a server that `start` runs in a thread of its own, until `stop`."""
    return Controller(
        _Handler(store),
        hostname=host,
        port=port,
        # On the loopback there is nobody to encrypt against.
        auth_require_tls=False,
        # Its LOGIN asks in words that Alertmanager does not know.
        auth_exclude_mechanism=["LOGIN"],
        authenticator=_accept,
    )


def _accept(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, _login: object) -> AuthResult:
    return AuthResult(success=True)


class _Handler:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        self._store.add(notification(cast(bytes, envelope.content), envelope.rcpt_tos))
        return "250 Message accepted for delivery"


def notification(content: bytes, recipients: list[str]) -> Notification:
    """Take a message apart."""
    message = message_from_bytes(content, policy=policy.default)
    plain, rich = (_part(message, kind) for kind in ("plain", "html"))
    subject = str(message["Subject"] or "")
    state = _STATE.search(subject)
    return Notification(
        channel="email",
        status=str(message["X-Alert-Status"] or "firing"),
        title=subject,
        text=_LINK.sub("", plain).removeprefix(subject).strip(),
        recipient=", ".join(recipients),
        severity=state[1].lower() if state else "",
        links=_LINK.findall(plain),
        raw={"headers": {name: str(value) for name, value in message.items()}, "text": plain, "html": rich},
    )


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""
