"""The history that a Prometheus has, read through its API in pieces, as series for a run."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from backtest import promtool
from common import http_client
from common.deadline import Deadline
from common.redaction import redactor
from common.secret_text import SecretError, read_secret_file

#: Seconds for one answer, bytes of it, and how often a request is tried.
SECONDS, LARGEST_BODY, ATTEMPTS = 120.0, 64 << 20, 3
#: Instants of one request; Prometheus answers at most 11,000.
MOST_INSTANTS = 10_000
#: Of one metric: what a rule would read slowly, too, and what would fill the memory.
MOST_SERIES = 5_000
_PLAIN = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")

Key = tuple[tuple[str, str], ...]


class HistoryError(Exception):
    """Prometheus does not answer, refuses, or has too much; one line without secrets."""


@dataclass(frozen=True)
class Access:
    """Where a Prometheus is, and how to be let in.

    Attributes:
        url: of Prometheus, or of what has its API (Thanos, Mimir, VictoriaMetrics).
        token_file: holds a bearer token.
        basic_auth_file: holds user:password.
        ca_file: certificates to trust instead of the system's.
    """

    url: str
    token_file: Path | None = None
    basic_auth_file: Path | None = None
    ca_file: str | None = None

    def headers(self) -> dict[str, str]:
        """What lets a request in.

        Raises:
            HistoryError: a file cannot be read.
        """
        try:
            if self.token_file is not None:
                token = read_secret_file(self.token_file, "--token-file")
                redactor.learn(token)
                return {"Authorization": f"Bearer {token}"}
            if self.basic_auth_file is not None:
                pair = read_secret_file(self.basic_auth_file, "--basic-auth-file")
                redactor.learn(pair)
                redactor.learn(pair.partition(":")[2])
                return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        except SecretError as error:
            raise HistoryError(str(error)) from None
        return {}


class History:
    """The past of a Prometheus.

    Args:
        access: where.
        step: seconds between two instants at which it is looked at.
    """

    def __init__(self, access: Access, step: int) -> None:
        self._access = access
        self._step = step
        parts = urlsplit(access.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise HistoryError("--prometheus: must be a URL such as http://prometheus:9090")
        if parts.username or parts.password:
            raise HistoryError("--prometheus: give user and password by --basic-auth-file, not in the URL")

    @cached_property
    def metrics(self) -> frozenset[str]:
        """Names of all metrics.

        Raises:
            HistoryError: see there.
        """
        return frozenset(self._ask("/api/v1/label/__name__/values", {}))

    def series(self, names: frozenset[str], first: int, last: int) -> Iterator[tuple[str, str]]:
        """Every series of these names, as `promtool.run` takes them; names that are no metrics give nothing.

        An instant has the newest sample since the one before it; where there is none, nothing is put in, so that what
        looks back meets the same gaps. A series that has ended is ended at the same instant.

        Args:
            names: of metrics, and perhaps other words.
            first: unix seconds of the first value.
            last: of the last one.

        Raises:
            HistoryError: see there.
        """
        for name in sorted(names & self.metrics):
            if _PLAIN.fullmatch(name):
                yield from self._of(name, first, last)

    def _of(self, name: str, first: int, last: int) -> Iterator[tuple[str, str]]:
        step, count = self._step, (last - first) // self._step + 1
        # A millisecond less, for a range has both its ends in Prometheus 2.
        fresh = f"last_over_time({name}[{step * 1000 - 1}ms])"
        points: dict[Key, list[float | str]] = {}
        for begin in range(first, last + 1, MOST_INSTANTS * step):
            end = min(begin + (MOST_INSTANTS - 1) * step, last)
            # What is there and new; what is there still. At the very first instant all is new.
            for expression, known in ((f"{fresh} and {name}", False), (f"{name} unless {fresh}", True)):
                for labels, at, value in self._vectors(expression, begin, end):
                    own = points.get(labels)
                    if own is None:
                        own = points[labels] = ["stale"] * count
                        if len(points) > MOST_SERIES:
                            raise HistoryError(f"{name} has more than {MOST_SERIES} series")
                    position = (at - first) // step
                    own[position] = "_" if known and position else value
        for labels, own in points.items():
            yield f"{name}{{{','.join(f'{key}={json.dumps(text)}' for key, text in labels)}}}", _written(own)

    def _vectors(self, expression: str, begin: int, end: int) -> Iterator[tuple[Key, int, float]]:
        """Labels, instant and value of whatever an expression gives."""
        parameters = {"query": expression, "start": str(begin), "end": str(end), "step": str(self._step)}
        try:
            data = self._ask("/api/v1/query_range", parameters)
        except _TooLargeError:
            if end <= begin:
                raise HistoryError(f"the answer to {expression} is too large") from None
            middle = begin + (end - begin) // self._step // 2 * self._step
            yield from self._vectors(expression, begin, middle)
            yield from self._vectors(expression, middle + self._step, end)
            return
        for series in data["result"]:
            labels = tuple(sorted((key, text) for key, text in series["metric"].items() if key != "__name__"))
            for at, value in series.get("values", ()):
                yield labels, round(at), float(value)

    def _ask(self, path: str, parameters: dict[str, str]) -> Any:
        pause = 0.5
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._once(path, parameters)
            except _PassingError as error:
                if attempt == ATTEMPTS:
                    raise HistoryError(redactor.redact(f"--prometheus: {error}")) from None
                time.sleep(pause)
                pause *= 2
        raise AssertionError("unreachable")

    def _once(self, path: str, parameters: dict[str, str]) -> Any:
        headers = {"Content-Type": "application/x-www-form-urlencoded", **self._access.headers()}
        url = self._access.url.rstrip("/") + path
        # Prometheus takes long queries by POST, and lists of labels by GET alone.
        method, body = ("POST", urlencode(parameters).encode()) if parameters else ("GET", None)
        try:
            answer = http_client.request(
                method,
                url,
                Deadline(SECONDS),
                headers=headers,
                body=body,
                ca_file=self._access.ca_file,
                largest=LARGEST_BODY,
            )
        except http_client.TooLargeError:
            raise _TooLargeError(f"--prometheus: the answer has more than {LARGEST_BODY} bytes") from None
        except http_client.HttpError as error:
            raise _PassingError(str(error)) from None
        if answer.status >= 500 or answer.status == 429:
            raise _PassingError(f"answered {answer.status}")
        try:
            content = json.loads(answer.body)
            if answer.status == 200 and content["status"] == "success":
                return content["data"]
            reason = str(content["error"])
        except (ValueError, KeyError, TypeError):
            reason = "not as Prometheus does"
        raise HistoryError(redactor.redact(f"--prometheus: answered {answer.status}: {' '.join(reason.split())[:300]}"))


class _PassingError(Exception):
    """Perhaps it answers when it is asked again."""


class _TooLargeError(HistoryError):
    """Half of the time may do."""


def _written(points: list[float | str]) -> str:
    """Values for promtool, in which a series ends once and not at every instant at which it is not there."""
    there, shown = False, list[float | str]()
    for point in points:
        if point == "stale":
            shown.append("stale" if there else "_")
            there = False
        else:
            shown.append(point)
            there = there or point != "_"
    return promtool.values(shown)
