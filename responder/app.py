"""Puts the responder together: what receives, what acts, what verifies, and what a reload replaces."""

from __future__ import annotations

import logging
import os
import socket
import threading
from dataclasses import dataclass
from functools import partial
from itertools import count
from time import perf_counter
from typing import Literal

from common.postgres import PostgresError
from common.secret_text import SecretText
from responder.actions import tellers
from responder.actions.base import Services
from responder.actions.silence_alert import ON_ACK
from responder.config import Config
from responder.contract_functions import ContractFunctions
from responder.endpoints import EndpointClient
from responder.keep_firing import POLL_SECONDS, AlertKeeper
from responder.ledger import claims, decisions, incidents, telling
from responder.ledger.decisions import Decision, NotDecidedError
from responder.ledger.incidents import Outcome, Told
from responder.metrics import Counters
from responder.outage import Outage
from responder.playbooks import Playbooks
from responder.postgres import Cursor, Postgres
from responder.prometheus import Prometheus
from responder.runner import Runner
from responder.settings import Settings
from responder.stop import StopSwitch
from responder.verify import verify_due
from responder.webhook import Alert, Message

logger = logging.getLogger(__name__)

NAME = "ticketing-responder"
PAUSE_AFTER_FAILURE_SECONDS = 1.0
STOP_SECONDS = 3.0


@dataclass(frozen=True)
class Refusal:
    """An alert that is not acted upon, and why."""

    alert: Alert
    outcome: Literal["other_platform", "unknown_playbook"]
    reason: str


@dataclass(frozen=True)
class _Setup:
    """What one configuration makes; a try that is under way ends with the setup that it began with."""

    config: Config
    playbooks: Playbooks
    prometheus: Prometheus
    runner: Runner
    stop: StopSwitch
    keeper: AlertKeeper


class Responder:
    """Everything that lives as long as the process. It starts, and answers, while everything else is down.

    Args:
        config: validated configuration.
        playbooks: validated playbooks.
        postgres_dsn: read again with each new connection.
        redis_url: read again at each use.
    """

    def __init__(
        self, config: Config, playbooks: Playbooks, *, postgres_dsn: SecretText, redis_url: SecretText
    ) -> None:
        self.counters = Counters()
        self.postgres = Postgres(postgres_dsn, NAME)
        self._settings = Settings(redis_url, NAME)
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self._setup = self._set_up(config, playbooks)
        self._work = threading.Condition()
        self._news = 0
        self._outage = Outage()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._act, args=(number,), name=f"worker-{number}", daemon=True)
            for number in range(config.workers)
        ]
        self._threads.append(threading.Thread(target=self._verify, name="verify", daemon=True))
        self._threads.append(threading.Thread(target=self._keep_firing, name="keep-firing", daemon=True))

    @property
    def stopped(self) -> bool | None:
        """Whether a person has thrown the switch; None while nobody knows."""
        return self._setup.stop.state()

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._setup.config

    @property
    def playbooks(self) -> Playbooks:
        """The playbooks in force."""
        return self._setup.playbooks

    @property
    def prometheus(self) -> Prometheus:
        """The one that is asked."""
        return self._setup.prometheus

    def start(self) -> None:
        """Begin to work off the ledger."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Let what is under way end, for a moment; the rest is left to the ledger."""
        self._stopping.set()
        self._wake()
        for thread in self._threads:
            thread.join(STOP_SECONDS / len(self._threads))

    def apply(self, config: Config, playbooks: Playbooks) -> None:
        """Put another configuration in force; the number of workers stays."""
        self._setup = self._set_up(config, playbooks)

    def receive(self, message: Message, by: str) -> tuple[list[Outcome], list[Refusal]]:
        """Write a message down; the actions follow.

        Returns:
            The outcome of each alert that is taken, and the others.

        Raises:
            PostgresError: nothing is written, it must be delivered again.
        """
        setup = self._setup
        told, refused = [], []
        for alert in message.alerts:
            if alert.platform != setup.config.platform:
                reason = f"of platform {alert.platform[:100]!a}, and this responder is for {setup.config.platform!a}"
                refused.append(Refusal(alert, "other_platform", reason))
            elif alert.playbook not in setup.playbooks:
                refused.append(Refusal(alert, "unknown_playbook", f"unknown playbook {alert.playbook[:100]!a}"))
            else:
                told.append(Told(alert, setup.playbooks[alert.playbook], by, setup.config.dry_run))
        outcomes = self.postgres.run(lambda cursor: incidents.record(cursor, told, setup.config.pace)) if told else []
        self._wake()
        return outcomes, refused

    def decide(self, decision: Decision) -> None:
        """Take a person's decision; what follows from it is done like everything else.

        Raises:
            NotDecidedError: it is not taken.
            PostgresError: nothing is written.
        """
        dry_run = self._setup.config.dry_run
        tries = count(1)

        def decide(cursor: Cursor) -> None:
            first = next(tries) == 1
            try:
                decisions.decide(cursor, decision, ON_ACK, tellers(), dry_run=dry_run)
            except NotDecidedError:
                # The first try may have been committed, although its connection broke.
                if first or not decisions.is_taken(cursor, decision):
                    raise

        self.postgres.run(decide)
        logger.warning("incident %s: %s", decision.correlation_id, decision)
        self._wake()

    def _set_up(self, config: Config, playbooks: Playbooks) -> _Setup:
        http = EndpointClient(config)
        prometheus = Prometheus(http, config.prometheus)
        services = Services(config, playbooks, ContractFunctions(self.postgres), self._settings, http, prometheus)
        stop = StopSwitch(self._settings, self.postgres, config.stop)
        return _Setup(config, playbooks, prometheus, Runner(self.postgres, services), stop, AlertKeeper(http, config))

    def _wake(self) -> None:
        with self._work:
            self._news += 1
            self._work.notify_all()

    def _has_news_since(self, news: int) -> bool:
        return self._news != news

    def _act(self, number: int) -> None:
        """Claim and try actions until the end."""
        worker = f"{self._worker}:{number}"
        while not self._stopping.is_set():
            news, setup = self._news, self._setup
            try:
                busy = not setup.stop.thrown() and self._act_once(worker, setup)
                self._outage.passed(worker)
            except PostgresError as error:
                self._outage.failed(worker, str(error))
                self._stopping.wait(PAUSE_AFTER_FAILURE_SECONDS)
                continue
            except Exception:
                logger.exception("a worker failed")
                self._stopping.wait(PAUSE_AFTER_FAILURE_SECONDS)
                continue
            if not busy:
                with self._work:
                    self._work.wait_for(partial(self._has_news_since, news), setup.config.pace.poll)

    def _act_once(self, worker: str, setup: _Setup) -> bool:
        claim = self.postgres.run(lambda cursor: claims.claim(cursor, worker, setup.config.pace.lease))
        if claim is None:
            return False
        began = perf_counter()
        outcome = "error"
        try:
            outcome = setup.runner.run(claim)
        finally:
            self.counters.tried(claim.action, outcome, perf_counter() - began)
        # The next action of the incident may have waited for this one.
        self._wake()
        return True

    def _verify(self) -> None:
        """Look after incidents that may be over, and what people are to be told of them, until the end."""
        while not self._stopping.is_set():
            setup = self._setup
            # At least as often as an incident is to be asked about, or it would never be over without a gap.
            pause = float(min(setup.config.pace.poll, setup.config.pace.check_every))
            try:
                busy = True
                while busy and not self._stopping.is_set():
                    busy = verify_due(self.postgres, setup.prometheus, setup.playbooks, setup.config.pace)
                    if self.postgres.run(lambda cursor: telling.follow_up(cursor, tellers())):
                        self._wake()
                self._outage.passed("verify")
            except PostgresError as error:
                self._outage.failed("verify", str(error))
                pause = max(pause, PAUSE_AFTER_FAILURE_SECONDS)
            except Exception:
                logger.exception("verifying failed")
                pause = max(pause, PAUSE_AFTER_FAILURE_SECONDS)
            self._stopping.wait(pause)

    def _keep_firing(self) -> None:
        """Let no alert end because Prometheus is away, until the end; the ledger and the switch have no part in it."""
        while not self._stopping.is_set():
            try:
                self._setup.keeper.keep()
            except Exception:
                logger.exception("keeping alerts firing failed")
            self._stopping.wait(POLL_SECONDS)
