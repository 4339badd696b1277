"""Calls of the services that are configured: only of allowed hosts, with their tokens, and again when it may help."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from common import http_client
from common.deadline import Deadline
from common.redaction import redactor
from common.secret_text import SecretError, read_secret_file
from responder.config import Config, Endpoint, authority, is_allowed

SECONDS = 8.0
ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.1
QUOTED = 200
"""Characters of a refusal that are repeated."""
_IT_SAID = "; it said: "
# Too busy, or not done within the other side's own limit: the same request may pass later.
_PASSING = {408, 425, 429}
# The request was not taken; after another 5xx it may have been.
_NOT_TAKEN = {503}


class EndpointError(Exception):
    """No usable answer; one line, without secrets.

    Attributes:
        status: of the answer, None when there was none.
        passing: whether the same request may succeed later.
        retry_after: seconds before which the service wants no other request.
        unclear: whether what was asked for may have been done.
    """

    def __init__(
        self,
        message: str,
        status: int | None = None,
        *,
        passing: bool = True,
        retry_after: float = 0.0,
        unclear: bool = False,
    ) -> None:
        super().__init__(redactor.redact(message))
        self.status = status
        self.passing = passing
        self.retry_after = retry_after
        self.unclear = unclear

    @property
    def answered(self) -> bool:
        """Whether the other side said anything."""
        return self.status is not None


def without_quote(text: str) -> str:
    """What was written down of an error without what the other side said: that is for who looks after it alone."""
    return text.partition(_IT_SAID)[0]


@dataclass(frozen=True)
class Reply:
    """An answer with a status of 2xx.

    Attributes:
        status: of it.
        body: unread.
        date: when it was made, by the clock of who answers; None when it does not say.
    """

    status: int
    body: bytes
    date: datetime | None = None

    def json(self) -> Any:
        """The body.

        Raises:
            EndpointError: it is not JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise EndpointError("the answer is not JSON", self.status, passing=False) from None


class EndpointClient:
    """Sends requests that are harmless when they arrive twice.

    Args:
        config: the hosts that may be called.
    """

    def __init__(self, config: Config) -> None:
        prometheus = authority(config.prometheus.url)
        self._allowed = (*config.allowed_hosts, *([prometheus] if prometheus else []))

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
        largest: int = http_client.LARGEST_BODY,
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
            attempts: at most; those that may pass are repeated after a pause with jitter, or after the one that the
                service asks for. One that is longer than the time left ends the tries.
            largest: bytes of the answer.

        Raises:
            EndpointError: any other answer, none in time, or a host that is not allowed.
        """
        url = endpoint.url.rstrip("/") + path if path else endpoint.url
        if params:
            url += ("&" if "?" in url else "?") + urlencode(params)
        if not is_allowed(url, self._allowed):
            raise EndpointError(f"{authority(url)} is not in allowed_hosts", passing=False)
        sent = {"Accept": "application/json", "User-Agent": "ticketing-responder"}
        data = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        sent |= headers or {}
        if endpoint.token_file:
            sent["Authorization"] = f"Bearer {_token(endpoint.token_file)}"
        deadline = Deadline(seconds)
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(1, attempts + 1):
            try:
                return _once(method, url, data, sent, endpoint.ca_file, deadline, largest)
            except EndpointError as error:
                wait = max(error.retry_after, pause * random.uniform(0.5, 1.5))  # noqa: S311 (jitter)
                if not error.passing or attempt == attempts or wait >= deadline.remaining():
                    raise
                time.sleep(wait)
                pause *= 2
        raise AssertionError("unreachable")


def _once(
    method: str,
    url: str,
    data: bytes | None,
    headers: Mapping[str, str],
    ca_file: str | None,
    deadline: Deadline,
    largest: int,
) -> Reply:
    where = f"{method} {authority(url)}"
    try:
        answer = http_client.request(
            method, url, deadline, headers=headers, body=data, ca_file=ca_file, largest=largest
        )
    except http_client.HttpError as error:
        passing = not isinstance(error, http_client.TooLargeError)
        raise EndpointError(f"{where}: {error}", passing=passing, unclear=error.sent) from None
    if 200 <= answer.status < 300:
        return Reply(answer.status, answer.body, answer.date())
    quoted = " ".join(answer.body[:QUOTED].decode("utf-8", "replace").split())
    raise EndpointError(
        f"{where}: answered {answer.status}" + (_IT_SAID + quoted if quoted else ""),
        answer.status,
        passing=answer.status >= 500 or answer.status in _PASSING,
        retry_after=answer.retry_after() or 0.0,
        unclear=answer.status >= 500 and answer.status not in _NOT_TAKEN,
    )


def _token(file: str) -> str:
    try:
        token = read_secret_file(Path(file), "token_file")
    except SecretError as error:
        raise EndpointError(str(error)) from None
    redactor.learn(token)
    return token
