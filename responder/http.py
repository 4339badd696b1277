"""The one HTTP client: allowed hosts only, time limits as a whole, few retries, no redirects."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from common.redaction import redactor
from common.secret_text import SecretError, read_secret_file
from responder.config import Config, Endpoint, authority, is_allowed

SECONDS = 8.0
CONNECT_SECONDS = 3.0
ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.1
LARGEST_ANSWER = 1 << 20
QUOTED = 200
"""Characters of a refusal that are repeated."""
# Too busy, or not done within the other side's own limit: the same request may pass later.
_PASSING = {408, 425, 429}


class HttpError(Exception):
    """No usable answer; one line, without secrets.

    Attributes:
        status: of the answer, None when there was none.
        passing: whether the same request may succeed later.
    """

    def __init__(self, message: str, status: int | None = None, *, passing: bool = True) -> None:
        super().__init__(redactor.redact(message))
        self.status = status
        self.passing = passing


@dataclass(frozen=True)
class Reply:
    """An answer with a status of 2xx."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body.

        Raises:
            HttpError: it is not JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise HttpError("the answer is not JSON", self.status, passing=False) from None


class HttpClient:
    """Sends requests that are harmless when they arrive twice.

    Args:
        config: the hosts that may be called.
    """

    def __init__(self, config: Config) -> None:
        prometheus = authority(config.prometheus.url)
        self._allowed = (*config.allowed_hosts, *([prometheus] if prometheus else []))
        self._local = threading.local()

    def request(
        self,
        method: str,
        endpoint: Endpoint,
        path: str = "",
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        seconds: float = SECONDS,
        attempts: int = ATTEMPTS,
        largest: int = LARGEST_ANSWER,
    ) -> Reply:
        """The answer, if it is 2xx.

        Args:
            method: GET, POST, PUT, …
            endpoint: where.
            path: put behind the endpoint's own.
            body: sent as JSON, when there is any.
            headers: more headers.
            params: of the query.
            seconds: for all tries together.
            attempts: at most; those that may pass are repeated after a pause with jitter.
            largest: bytes of the answer.

        Raises:
            HttpError: any other answer, none in time, or a host that is not allowed.
        """
        url = endpoint.url.rstrip("/") + path if path else endpoint.url
        if not is_allowed(url, self._allowed):
            raise HttpError(f"{authority(url)} is not in allowed_hosts", passing=False)
        sent = {"Accept": "application/json", **(headers or {})}
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        if endpoint.token_file:
            sent["Authorization"] = f"Bearer {_token(endpoint.token_file)}"
        data = None if body is None else json.dumps(body).encode()
        until = time.monotonic() + seconds
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(1, attempts + 1):
            try:
                return self._once(method, url, data, sent, params, endpoint.ca_file, until, largest)
            except HttpError as error:
                wait = pause * random.uniform(0.5, 1.5)  # noqa: S311 (jitter)
                if not error.passing or attempt == attempts or time.monotonic() + wait >= until:
                    raise
                time.sleep(wait)
                pause *= 2
        raise AssertionError("unreachable")

    def _once(
        self,
        method: str,
        url: str,
        data: bytes | None,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None,
        ca_file: str | None,
        until: float,
        largest: int,
    ) -> Reply:
        where = f"{method} {authority(url)}"
        remaining = until - time.monotonic()
        if remaining <= 0:
            raise HttpError(f"{where}: no answer in time")
        try:
            with self._session().request(
                method,
                url,
                data=data,
                headers=dict(headers),
                params=dict(params or {}),
                timeout=(min(CONNECT_SECONDS, remaining), remaining),
                verify=ca_file or True,
                allow_redirects=False,
                stream=True,
            ) as answer:
                content = _read(answer, until, largest, where)
        except requests.Timeout:
            raise HttpError(f"{where}: no answer in time") from None
        except (requests.RequestException, OSError, ValueError) as error:
            raise HttpError(f"{where}: {_innermost(error)}") from None
        if 200 <= answer.status_code < 300:
            return Reply(answer.status_code, content)
        quoted = " ".join(content[:QUOTED].decode("utf-8", "replace").split())
        raise HttpError(
            f"{where}: answered {answer.status_code} {quoted}".rstrip(),
            answer.status_code,
            passing=answer.status_code >= 500 or answer.status_code in _PASSING,
        )

    def _session(self) -> requests.Session:
        # A session is not for several threads.
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False  # no proxies, no .netrc
        return session


def _read(answer: requests.Response, until: float, largest: int, where: str) -> bytes:
    """The body; the time limit of requests is between two pieces only."""
    content = bytearray()
    for piece in answer.iter_content(65536):
        content += piece
        if len(content) > largest:
            raise HttpError(f"{where}: the answer is larger than {largest} bytes", answer.status_code, passing=False)
        if time.monotonic() > until:
            raise HttpError(f"{where}: no answer in time")
    return bytes(content)


def _token(file: str) -> str:
    try:
        token = read_secret_file(Path(file), "token_file")
    except SecretError as error:
        raise HttpError(str(error)) from None
    redactor.learn(token)
    return token


def _innermost(error: BaseException) -> str:
    """The cause without the layers around it, which quote the whole address."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    cause = reason or error
    text = " ".join(str(cause).split())
    return text.rpartition(">: ")[2] if ">: " in text else text or type(error).__name__
