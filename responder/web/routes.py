"""Paths and their answers, as a WSGI application."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from uuid import UUID

import msgspec

from common.postgres import PostgresError
from common.secret_text import SecretError, read_secret_file
from common.web_application import Answer, BusyError, Places, Routes, answer
from common.yaml_files import ConfigError
from responder.actions import actions
from responder.actions.notify import CHAT, Chat
from responder.app import Responder
from responder.ledger import report, totals
from responder.ledger.decisions import Decision, NotDecidedError
from responder.metrics import exposition
from responder.web import decisions, incident_page, slack
from responder.web.auth import BearerToken
from responder.web.bodies import LARGEST_CLICK, BodyError, read_body
from responder.webhook import WebhookError, parse

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

logger = logging.getLogger(__name__)

MOST_WEBHOOKS = 16
"""That may wait for the ledger; no further one waits."""
MOST_AT_ONCE = 4
"""Requests for each other path that asks the ledger, likewise."""
MOST_REPORTS = 2
"""That may wait for Prometheus or a chart, likewise."""
THREADS = MOST_WEBHOOKS + 4 * MOST_AT_ONCE + MOST_REPORTS + 4
"""For all that those may hold, and for what needs no ledger."""
METRICS_SECONDS = 2.0
_WHOLE_LEDGER = (
    "SELECT a.generation FROM monitoring.responder_incidents, monitoring.responder_actions AS a,"
    " monitoring.responder_targets, monitoring.responder_switch LIMIT 0"
)
"""Fails, and says with what, where the contract's file of an earlier release was the last to be applied."""
_REPORT = "/incidents/ID/report"
_REPORTS = re.compile(r"/incidents/([^/]+)/report")
_READ = ("/incidents", _REPORT)
_GUARDED = ("/alerts", "/decisions", "/-/reload", *_READ)
_SLACK = "/slack/actions"
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


def _problem(status: str, message: str) -> Answer:
    return Answer(status, json.dumps({"error": message}).encode(), "application/json")


class Application:
    """The WSGI application.

    Args:
        responder: does everything.
        token: guards what is not for everybody.
        reload: validates and swaps the configuration; raises ConfigError.
    """

    def __init__(self, responder: Responder, token: BearerToken, reload: Callable[[], None]) -> None:
        self._responder = responder
        self._token = token
        self._reload = reload
        self._alerts_places = Places(MOST_WEBHOOKS)
        self._incidents_places, self._decisions_places = Places(MOST_AT_ONCE), Places(MOST_AT_ONCE)
        self._metrics_places, self._ready_places = Places(MOST_AT_ONCE), Places(MOST_AT_ONCE)
        self._reports_places = Places(MOST_REPORTS)
        self._routes: Routes = {
            "/": {"GET": self._landing},
            "/alerts": {"POST": self._alerts},
            "/incidents": {"GET": self._incidents},
            _REPORT: {"GET": self._report},
            "/decisions": {"POST": self._decisions},
            _SLACK: {"POST": self._clicked},
            "/metrics": {"GET": self._metrics},
            "/-/healthy": {"GET": self._healthy},
            "/-/ready": {"GET": self._ready},
            "/-/reload": {"POST": self._reloaded},
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if found_id := _REPORTS.fullmatch(environ["PATH_INFO"]):
            environ[_REPORT], environ["PATH_INFO"] = found_id[1], _REPORT
        refused = self._refused(environ) if environ["PATH_INFO"] in _GUARDED else None
        found = refused or answer(self._routes, environ)
        found.headers.append(("Cache-Control", "no-store"))
        return found.send(environ, start_response)

    def admits(self, path: str, authorization: str, length: int) -> bool:
        """Whether somebody with this Authorization header may send a body of so many bytes to this path."""
        if path == _SLACK:
            # Whether it is signed is known once it is there.
            return length <= LARGEST_CLICK and self._slack() is not None
        try:
            return self._token.allows(authorization)
        except SecretError:
            return False

    def _refused(self, environ: WSGIEnvironment) -> Answer | None:
        passes = self._token.lets_read if environ["PATH_INFO"] in _READ else self._token.allows
        try:
            allowed = passes(environ.get("HTTP_AUTHORIZATION", ""))
        except SecretError as error:
            logger.error("no token can be used, every request is refused: %s", error)
            return _problem("503 Service Unavailable", "no token is configured; see the log")
        if allowed:
            return None
        if environ["PATH_INFO"] == "/alerts":
            self._responder.counters.webhook("unauthorized")
        refusal = _problem("401 Unauthorized", "the bearer token is missing or unknown")
        refusal.headers.append(("WWW-Authenticate", "Bearer"))
        return refusal

    def _alerts(self, environ: WSGIEnvironment) -> Answer:
        counters = self._responder.counters
        try:
            message = parse(read_body(environ))
        except BodyError as error:
            counters.webhook(error.reason)
            return _problem(error.status, str(error))
        except WebhookError as error:
            counters.webhook(error.reason)
            return _problem("400 Bad Request", str(error))
        by = f"alertmanager {message.external_url or environ.get('REMOTE_ADDR', '')}"[:500]
        try:
            with self._alerts_places.one():
                outcomes, refused = self._responder.receive(message, by)
        except (BusyError, PostgresError) as error:
            counters.webhook("unavailable")
            logger.warning("message refused: %s", error)
            return _problem("503 Service Unavailable", f"the ledger does not take it: {error}")
        for outcome in outcomes:
            counters.alert(outcome)
        reasons = []
        for refusal in refused:
            counters.alert(refusal.outcome)
            reasons.append(f"{refusal.alert.name[:100]!a}: {refusal.reason}")
            logger.error("alert refused: %s", reasons[-1])
        if not outcomes and any(refusal.outcome == "unknown_playbook" for refusal in refused):
            counters.webhook("unknown_playbook")
            return _problem("422 Unprocessable Content", "; ".join(reasons[:10]))
        # What is another platform's will never be taken here: Alertmanager is not to repeat it for ever.
        counters.webhook("accepted" if outcomes else "other_platform")
        return _json("202 Accepted", {"alerts": outcomes, "refused": reasons[:10]})

    def _incidents(self, environ: WSGIEnvironment) -> Answer:
        query = parse_qs(environ.get("QUERY_STRING", ""))
        try:
            correlation_id = UUID(query["correlation_id"][0]) if "correlation_id" in query else None
            limit = int(query.get("limit", ["100"])[0])
            if limit < 1:
                raise ValueError
        except ValueError:
            return _problem("400 Bad Request", "correlation_id must be a UUID, limit a number above 0")
        fingerprint = query.get("fingerprint", [None])[0]
        if fingerprint is not None and not fingerprint.isalnum():
            return _problem("400 Bad Request", "fingerprint must be hexadecimal")
        try:
            with self._incidents_places.one():
                found = self._responder.postgres.run(
                    lambda cursor: report.incidents(
                        cursor, correlation_id=correlation_id, fingerprint=fingerprint, limit=limit
                    )
                )
        except (BusyError, PostgresError) as error:
            return _problem("503 Service Unavailable", str(error))
        return _json("200 OK", {"incidents": found})

    def _report(self, environ: WSGIEnvironment) -> Answer:
        try:
            correlation_id = UUID(environ[_REPORT])
        except ValueError:
            return _problem("404 Not Found", "there is no such incident")
        responder = self._responder
        try:
            with self._reports_places.one():
                found = responder.postgres.run(
                    lambda cursor: report.incidents(cursor, correlation_id=correlation_id, limit=1)
                )
                if not found:
                    return _problem("404 Not Found", "there is no such incident")
                playbook = responder.playbooks.get(found[0]["playbook"])
                for_browser = "text/html" in environ.get("HTTP_ACCEPT", "")
                return incident_page.answer(found[0], playbook, responder.prometheus, for_browser=for_browser)
        except (BusyError, PostgresError) as error:
            return _problem("503 Service Unavailable", str(error))

    def _decisions(self, environ: WSGIEnvironment) -> Answer:
        try:
            return self._decide(decisions.parse(read_body(environ)))
        except BodyError as error:
            return _problem(error.status, str(error))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return _problem("400 Bad Request", f"no decision: {error}")

    def _slack(self) -> Chat | None:
        """The chat, if its clicks are taken."""
        chat = self._responder.config.get(CHAT)
        return chat if chat is not None and chat.signing_secret_file is not None else None

    def _clicked(self, environ: WSGIEnvironment) -> Answer:
        chat = self._slack()
        if chat is None or chat.signing_secret_file is None:
            return Answer("404 Not Found", b"Not found\n")
        timestamp = environ.get("HTTP_X_SLACK_REQUEST_TIMESTAMP", "")
        signature = environ.get("HTTP_X_SLACK_SIGNATURE", "")
        try:
            body = read_body(environ, LARGEST_CLICK)
            secrets = read_secret_file(Path(chat.signing_secret_file), "signing_secret_file").split()
            slack.verify(secrets, timestamp, signature, body, time.time())
            return self._decide(slack.decision_of(body, chat.people))
        except BodyError as error:
            return _problem(error.status, str(error))
        except SecretError as error:
            logger.error("clicks cannot be checked and are refused: %s", error)
            return _problem("503 Service Unavailable", "no signing secret is configured; see the log")
        except slack.ForgedError as error:
            # Anybody can send that, as often as he likes.
            logger.debug("click refused: %s", error)
            return _problem("401 Unauthorized", str(error))
        except slack.StrangerError as error:
            logger.warning("click refused: %s", error)
            return _problem("403 Forbidden", str(error))
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            return _problem("400 Bad Request", f"no decision: {error}")

    def _decide(self, decision: Decision) -> Answer:
        try:
            with self._decisions_places.one():
                self._responder.decide(decision)
        except NotDecidedError as error:
            return _problem("404 Not Found" if error.unknown else "409 Conflict", str(error))
        except (BusyError, PostgresError) as error:
            return _problem("503 Service Unavailable", f"the ledger does not take it: {error}")
        return _json("200 OK", {"decided": str(decision)})

    def _metrics(self, environ: WSGIEnvironment) -> Answer:  # noqa: ARG002
        names = list(self._responder.playbooks), list(actions())
        counts = stopped = None
        try:
            # Redis may hang as well: whoever waits for either has a place.
            with self._metrics_places.one():
                stopped = self._responder.stopped
                counts = self._responder.postgres.run(lambda cursor: totals.totals(cursor, *names), METRICS_SECONDS)
        except (BusyError, PostgresError) as error:
            logger.warning("metrics are served without the ledger: %s", error)
        body = exposition(self._responder.counters, counts, stopped=stopped, dry_run=self._responder.config.dry_run)
        return Answer(body=body, content_type=_TEXT)

    def _landing(self, environ: WSGIEnvironment) -> Answer:  # noqa: ARG002
        paths = "".join(f'<li><a href="{path[1:] or "."}">{path}</a></li>' for path in self._routes)
        page = f"<!DOCTYPE html><title>Ticketing responder</title><h1>Ticketing responder</h1><ul>{paths}</ul>"
        return Answer(body=page.encode(), content_type="text/html; charset=utf-8")

    def _healthy(self, environ: WSGIEnvironment) -> Answer:  # noqa: ARG002
        return Answer(body=b"Healthy\n")

    def _ready(self, environ: WSGIEnvironment) -> Answer:  # noqa: ARG002
        reasons = []
        try:
            self._token.tokens()
        except SecretError as error:
            reasons.append(str(error))
        try:
            with self._ready_places.one():
                self._responder.postgres.run(lambda cursor: cursor.execute(_WHOLE_LEDGER), METRICS_SECONDS)
        except (BusyError, PostgresError) as error:
            reasons.append(str(error))
        if reasons:
            return Answer("503 Service Unavailable", "".join(f"{reason}\n" for reason in reasons).encode())
        return Answer(body=b"Ready\n")

    def _reloaded(self, environ: WSGIEnvironment) -> Answer:  # noqa: ARG002
        try:
            self._reload()
        except ConfigError as error:
            return _problem("500 Internal Server Error", f"not reloaded: {error}")
        return Answer(body=b"Reloaded\n")


def _json(status: str, content: Any) -> Answer:
    return Answer(status, json.dumps(content).encode(), "application/json")
