"""Paths and their answers, as a WSGI application."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from common.deadline import DeadlineExceededError
from common.postgres import PostgresError
from common.secret_text import SecretError
from common.web_application import Answer, BusyError, Places, Routes, answer
from common.yaml_files import ConfigError
from exporter.absence import NOT_HERE, SECTIONS
from exporter.app import Exporter
from exporter.exposition import OPENMETRICS, TEXT
from exporter.sources.redis import RedisError
from exporter.web import api, landing
from exporter.web.auth import BasicAuth
from exporter.web.config import WebConfig
from exporter.web.landing import TELEMETRY_PATH

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

MOST_AT_ONCE = 8
"""Requests for one path of the API, or for readiness, that may wait for a source; no further one waits."""
THREADS = 16 + 3 * MOST_AT_ONCE
"""For scrapes, and for all that those three paths may hold: so the latter never cost the former a thread."""
DEFAULT_SCRAPE_SECONDS = 10.0
LONGEST_SCRAPE_SECONDS = 60.0
SCRAPE_MARGIN_SECONDS = 0.5
LEAST_SCRAPE_SECONDS = 0.1
_PATH = re.compile(r"/[A-Za-z0-9._~/-]+")
# With a weight of 0 it is named to be refused.
_GZIP = re.compile(r"(?:^|,)\s*gzip\s*(?:,|$|;(?!\s*q=0(?:\.0*)?\s*(?:,|$)))", re.IGNORECASE)


class Application:
    """The WSGI application.

    Args:
        exporter: answers everything.
        reload: validates and swaps the configuration; raises ConfigError.
        web: users and headers; replaced by a reload.
        lifecycle: anybody may reload, also when there are no users.
        telemetry_path: where the metrics are.

    Raises:
        ConfigError: the path is none, or something else is there.
    """

    def __init__(
        self,
        exporter: Exporter,
        reload: Callable[[], None],
        web: WebConfig,
        *,
        lifecycle: bool = False,
        telemetry_path: str = TELEMETRY_PATH,
    ) -> None:
        self._exporter = exporter
        self._reload = reload
        self._lifecycle = lifecycle
        self._ready_places, self._kpis_places, self._feed_places = (Places(MOST_AT_ONCE) for _ in range(3))
        self._telemetry_path = telemetry_path
        others: Routes = {
            "/": {"GET": self._landing},
            "/-/healthy": {"GET": self._healthy},
            "/-/ready": {"GET": self._ready},
            "/-/reload": {"POST": self._reloaded},
            "/api/monitoring/kpis": {"GET": self._kpis},
            "/api/monitoring/fraud_feed": {"GET": self._fraud_feed},
        }
        if not _PATH.fullmatch(telemetry_path):
            raise ConfigError(f"{telemetry_path!r} is not a path such as /metrics")
        if telemetry_path in others:
            raise ConfigError(f"{telemetry_path} is already in use")
        self._routes: Routes = {**others, telemetry_path: {"GET": self._metrics}}
        self.use(web)

    def use(self, web: WebConfig) -> None:
        """Put another web configuration in force."""
        self._auth = BasicAuth(web.basic_auth_users)
        self._headers = list(web.http_server_config.headers.items())
        self._may_reload = self._lifecycle or web.knows_its_clients

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if self._is_preflight(environ):
            found = Answer("204 No Content", headers=self._cross_origin(environ))
        elif self._auth.allows(environ.get("HTTP_AUTHORIZATION", "")):
            found = answer(self._routes, environ)
        else:
            found = Answer("401 Unauthorized", b"Unauthorized\n", headers=[("WWW-Authenticate", "Basic")])
        found.headers += self._headers
        return found.send(environ, start_response)

    def _is_preflight(self, environ: WSGIEnvironment) -> bool:
        # A browser asks without a password whether its page may send one.
        return (
            environ["REQUEST_METHOD"] == "OPTIONS"
            and environ["PATH_INFO"].startswith("/api/")
            and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
            and bool(self._cross_origin(environ))
        )

    def _cross_origin(self, environ: WSGIEnvironment) -> list[tuple[str, str]]:
        """The headers that let a page of another origin read the answer; none for an origin that is not configured."""
        origin = environ.get("HTTP_ORIGIN")
        if origin not in self._exporter.config.api.cors_origins:
            return []
        headers = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
        if environ["REQUEST_METHOD"] == "OPTIONS":
            headers += [("Access-Control-Allow-Methods", "GET"), ("Access-Control-Allow-Headers", "Authorization")]
        return headers

    def _landing(self, environ: WSGIEnvironment) -> Answer:  # noqa: ARG002
        scraper = self._exporter.scraper
        page = landing.page(
            scraper.statuses(), scraper.sources(), self._exporter.absence, scraper.collectors, self._telemetry_path
        )
        return Answer(body=page.encode(), content_type="text/html; charset=utf-8")

    def _metrics(self, environ: WSGIEnvironment) -> Answer:
        scraper = self._exporter.scraper
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        asked, excluded = query.get("collect[]", []), query.get("exclude[]", [])
        if asked and excluded:
            return Answer("400 Bad Request", b"collect[] and exclude[] cannot be combined; remove one\n")
        unknown = sorted({*asked, *excluded} - set(SECTIONS))
        if unknown:
            names = ", ".join(map(repr, unknown))
            return Answer("400 Bad Request", f"unknown section {names}; there are {', '.join(SECTIONS)}\n".encode())
        wanted = set(asked or SECTIONS) - set(excluded)
        sections = [section for section in scraper.sections if section in wanted]
        openmetrics = prefers_openmetrics(environ.get("HTTP_ACCEPT", ""))
        exposition = scraper.scrape(sections, _scrape_seconds(environ), openmetrics=openmetrics)
        found = Answer(body=exposition.text, content_type=OPENMETRICS if openmetrics else TEXT)
        if _GZIP.search(environ.get("HTTP_ACCEPT_ENCODING", "")):
            found.body = exposition.gzip()
            found.headers.append(("Content-Encoding", "gzip"))
        return found

    def _healthy(self, environ: WSGIEnvironment) -> Answer:  # noqa: ARG002
        return Answer(body=b"Healthy\n")

    def _ready(self, environ: WSGIEnvironment) -> Answer:  # noqa: ARG002
        try:
            with self._ready_places.one():
                reasons = self._exporter.unready()
        except BusyError as busy:
            reasons = [str(busy)]
        if reasons:
            return Answer("503 Service Unavailable", "".join(f"{reason}\n" for reason in reasons).encode())
        return Answer(body=b"Ready\n")

    def _reloaded(self, environ: WSGIEnvironment) -> Answer:  # noqa: ARG002
        if not self._may_reload:
            return Answer("403 Forbidden", b"Without users this needs --web.enable-lifecycle; SIGHUP does not\n")
        try:
            self._reload()
        except ConfigError as error:
            return Answer("500 Internal Server Error", f"not reloaded: {error}\n".encode())
        return Answer(body=b"Reloaded\n")

    def _kpis(self, environ: WSGIEnvironment) -> Answer:
        return self._json(environ, self._kpis_places, lambda: api.kpis(self._exporter))

    def _fraud_feed(self, environ: WSGIEnvironment) -> Answer:
        return self._json(environ, self._feed_places, lambda: api.fraud_feed(self._exporter))

    def _json(self, environ: WSGIEnvironment, places: Places, produce: Callable[[], object]) -> Answer:
        status = "200 OK"
        try:
            with places.one():
                content = produce()
        except api.NotHereError:
            status, content = "404 Not Found", {"error": NOT_HERE}
        except (BusyError, RedisError, PostgresError, DeadlineExceededError, SecretError) as error:
            status, content = "503 Service Unavailable", {"error": str(error)}
        found = Answer(status, json.dumps(content).encode(), "application/json", [("Cache-Control", "no-store")])
        found.headers += self._cross_origin(environ)
        return found


def prefers_openmetrics(accept: str) -> bool:
    """Whether the header `Accept` names OpenMetrics with no less weight than the text format."""
    weights: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((value[2:] for value in parameters if value.startswith("q=")), "1")
        try:
            weights[kind] = max(weights.get(kind, 0.0), float(weight))
        except ValueError:
            continue
    text = max(weights.get(kind, 0.0) for kind in ("text/plain", "text/*", "*/*"))
    openmetrics = weights.get("application/openmetrics-text", 0.0)
    return openmetrics > 0 and openmetrics >= text


def _scrape_seconds(environ: WSGIEnvironment) -> float:
    """How long a scrape may take: what Prometheus will wait, less what it takes to get there."""
    try:
        seconds = float(environ.get("HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS", ""))
    except ValueError:
        seconds = DEFAULT_SCRAPE_SECONDS
    if not seconds > 0:
        seconds = DEFAULT_SCRAPE_SECONDS
    return max(LEAST_SCRAPE_SECONDS, min(seconds, LONGEST_SCRAPE_SECONDS) - SCRAPE_MARGIN_SECONDS)
