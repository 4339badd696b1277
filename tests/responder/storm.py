"""A storm of messages, crashes, restarts and people who decide; what must hold after it is in storm_audit.py."""

from __future__ import annotations

import json
import random
import socket
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import requests

from contract.definition import FRAUD_THRESHOLD
from testbed.counterparts.kubernetes import Kubernetes
from testbed.counterparts.server import CounterpartServer
from testbed.counterparts.siem import Siem
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.responder import messages
from tests.responder.messages import firing, message, resolved
from tests.responder.process import TOKEN, ResponderProcess, wait_until
from tests.responder.prometheus_double import PrometheusDouble
from tests.responder.sql import rows

ENDS: dict[str, Any] = {"for": "300ms"}
PLAYBOOKS: dict[str, Any] = {
    "UnauthorizedAdminAccess": {
        "max_per_hour": 100000,
        "ends_when": ENDS,
        "on_firing": [
            {"action": "lock_account", "account": "${labels.account}", "reason": "r"},
            {"action": "record_siem", "severity": "HIGH", "event_type": "lock", "message": "m"},
            {"action": "add_threat_indicator", "account": "${labels.account}", "reason": "r", "within": "30d"},
            {"action": "open_siem_incident", "severity": "HIGH", "title": "${labels.account}"},
        ],
        "on_end": [{"action": "record_siem", "severity": "LOW", "event_type": "over", "message": "m"}],
    },
    "FraudRateSpike": {
        "max_per_hour": 100000,
        "ends_when": ENDS,
        "on_firing": [{"action": "set_fraud_threshold", "value": 0.5, "expires": "6h"}],
    },
    "ApiLatencyDegradation": {
        "max_per_hour": 100000,
        "ends_when": ENDS,
        "on_firing": [
            {
                "action": "scale_backend",
                "add": 2,
                "most": 99,
                "expires": "6h",
                "cool_down": "100ms",
                # Somebody decides in time, or nobody does.
                "approval": {"from": ["api"], "within": "2s", "otherwise": "do"},
            }
        ],
    },
    "ModelDrift": {
        "max_per_hour": 100000,
        "ends_when": ENDS,
        "on_firing": [{"action": "schedule_retraining", "within": "24h", "reason": "${labels.feature}"}],
    },
}
# Asking for work more often than this is most of what two responders would do.
PACE = {"lease": "1500ms", "check_every": "400ms", "stale_after": "4s", "retry_longest": "300ms", "poll": "300ms"}
ACCOUNTS = ("a", "b", "c")
ALERTS: tuple[dict[str, str], ...] = (
    *({**messages.ADMIN, "account": account} for account in ACCOUNTS),
    *({**messages.FRAUD, "region": region} for region in ("eu", "us")),
    *({**messages.LATENCY, "region": region} for region in ("eu", "us")),
    {**messages.DRIFT, "feature": "hour"},
)
# What operators set; no incident ever does.
THRESHOLDS = ("0.60", "0.65", "0.70", "0.75")
REPLICAS = (2, 12, 22, 32)
DECISIONS = ("approve", "decline", "undo", "undo")
#: A change of the platform, and so worth a decision.
CHANGED = ("FraudRateSpike", "ApiLatencyDegradation")
# Seconds for whatever has to be waited for; a busy machine starts a program in half a minute.
PATIENCE = 180
STATEFUL = (
    "platform.admin_accounts, platform.security_events, platform.threat_indicators, platform.retraining_requests,"
    " monitoring.responder_decisions, monitoring.responder_actions, monitoring.responder_incidents,"
    " monitoring.responder_totals"
)


@dataclass(repr=False)
class Storm:
    """Two responders and everything around them.

    Attributes:
        episodes: by alert, how often it began.
        sent: every message, to be repeated later.
        held: messages under way.
        threshold: what an operator has set last.
        replicas: likewise.
        deliveries: messages that a responder took, or that broke off, in this storm.
        happened: steps, deliveries and effects of all storms.
    """

    postgres: Postgres
    redis: Redis
    database: ContractDatabase
    prometheus: PrometheusDouble = field(default_factory=PrometheusDouble)
    episodes: Counter[int] = field(default_factory=Counter)
    sent: list[dict[str, Any]] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=list)
    deliveries: int = 0
    happened: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.monitoring = CounterpartServer([self.prometheus])
        self.outside = CounterpartServer([])
        self.responders: list[ResponderProcess] = []
        self.on: set[int] = set()

    def begin(self) -> None:
        """From scratch: nothing was ever told."""
        self.sql(f"TRUNCATE {STATEFUL}")
        for account in ACCOUNTS:
            self.sql("INSERT INTO platform.admin_accounts (account) VALUES (%s)", account)
            # On the disk, with all that was written before: a kill soon after it must not lose the platform's own rows.
            self.sql(
                "SET synchronous_commit = on; INSERT INTO platform.security_events"
                " (occurred_at, severity, event_type, message, account, source_ip)"
                " VALUES (now(), 'HIGH', 'mfa_failed', 'm', %s, %s)",
                account,
                f"203.0.113.{ord(account)}",
            )
        with self.redis.client() as client:
            client.flushall()
            client.set(FRAUD_THRESHOLD, THRESHOLDS[0])
        self.threshold, self.replicas = THRESHOLDS[0], REPLICAS[0]
        self.kubernetes, self.siem = Kubernetes(), Siem()
        self.outside.counterparts = [self.kubernetes, self.siem]
        # Long enough for a kill to find an action half done.
        self.outside.trouble.delay = self.outside.trouble.late = 0.02
        self.prometheus.firing = []
        self.episodes, self.sent, self.held, self.on, self.deliveries = Counter(), [], [], set(), 0
        if not self.responders:
            self.responders = [self._responder().start(), self._responder().start()]

    def _responder(self) -> ResponderProcess:
        outside = self.outside.url
        config = {
            "prometheus": {"url": self.monitoring.url},
            "backend": {"kind": "kubernetes", "url": outside, "namespace": "ticketing", "deployment": "backend"},
            "siem": {"incidents": {"url": f"{outside}/siem/incidents"}},
        }
        return ResponderProcess(self.database.responder_dsn, self.redis.url(), config, PLAYBOOKS, pace=PACE)

    def take(self, step: str, alert: int, rng: random.Random) -> None:
        """One step, by the name of its method."""
        self.happened[step] += 1
        before = self.deliveries
        getattr(self, step)(alert, rng)
        self.happened["delivery"] += self.deliveries - before

    def fire(self, alert: int, rng: random.Random) -> None:
        """An episode begins, or Alertmanager repeats itself."""
        if alert not in self.on:
            self.on.add(alert)
            self.episodes[alert] += 1
            self._tell_prometheus()
        # Replicas differ by a little in when it began.
        self._send(message(firing(ALERTS[alert], started=-rng.random() * 0.01)), rng)

    def resolve(self, alert: int, rng: random.Random) -> None:
        """An episode ends; or Alertmanager is wrong, and says so of one that goes on."""
        if rng.random() < 0.8:
            self.on.discard(alert)
            self._tell_prometheus()
        self._send(message(resolved(ALERTS[alert])), rng)

    def repeat(self, _alert: int, rng: random.Random) -> None:
        """Something that was said before, however long ago, arrives again."""
        if self.sent:
            self._deliver(rng.choice(self.sent), rng)

    def hold(self, alert: int, rng: random.Random) -> None:
        """The next message of an alert is under way for long: others overtake it."""
        self.held.append(message(firing(ALERTS[alert]) if alert in self.on else resolved(ALERTS[alert])))
        if len(self.held) > 3:
            self._send(self.held.pop(rng.randrange(len(self.held))), rng)

    def partial(self, alert: int, rng: random.Random) -> None:
        """A message that breaks off, or whose answer nobody waits for."""
        body = json.dumps(message(firing(ALERTS[alert]))).encode()
        if alert not in self.on:
            body = body[: rng.randrange(len(body))]
        head = (
            f"POST /alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Content-Length: {max(len(body), 500)}\r\n\r\n"
        )
        with suppress(OSError), socket.create_connection(("127.0.0.1", rng.choice(self.responders).port), 1) as sender:
            sender.sendall(head.encode() + body)
        self.deliveries += 1

    def kill(self, _alert: int, rng: random.Random) -> None:
        """SIGKILL to a responder, which is started again."""
        responder = rng.choice(self.responders)
        worker = f"%:{responder.process.pid}:%"
        responder.kill9()
        under_way = (
            "SELECT FROM monitoring.responder_actions WHERE state IN ('running', 'reverting') AND worker LIKE %s"
        )
        self.happened["kill in the middle of an action"] += bool(self.sql(f"SELECT EXISTS ({under_way})", worker)[0][0])
        responder.process.start()

    def operate(self, _alert: int, rng: random.Random) -> None:
        """A person changes what the responder may hold at this moment."""
        if rng.random() < 0.5:
            self.threshold = rng.choice(THRESHOLDS)
            with self.redis.client() as client:
                client.set(FRAUD_THRESHOLD, self.threshold)
        else:
            self.replicas = rng.choice(REPLICAS)
            self.kubernetes.scale(self.replicas)

    def decide(self, _alert: int, rng: random.Random) -> None:
        """Somebody decides about an incident that goes on, and asks both responders at once, which one of them does."""
        found = self.sql(
            "SELECT correlation_id::text FROM monitoring.responder_incidents WHERE state <> 'closed'"
            " AND playbook = ANY (%s) ORDER BY opened_at, correlation_id",
            list(CHANGED),
        )
        if not found:
            return
        ((incident,), decision) = rng.choice(found), rng.choice(DECISIONS)
        content = {"correlation_id": incident, "decision": decision, "by": "alice"}
        taken = 0
        for responder in self.responders:
            with suppress(requests.RequestException):
                taken += responder.post(content, path="/decisions", timeout=5).status_code == 200
        assert taken <= 1
        self.happened[decision] += taken

    def restart_postgres(self, _alert: int, rng: random.Random) -> None:
        if rng.random() < 0.5:
            self.postgres.kill9()
        else:
            self.postgres.stop()
        self.postgres.start(PATIENCE)

    def restart_redis(self, _alert: int, _rng: random.Random) -> None:
        self.redis.stop()
        self.redis.start(PATIENCE)

    def settle(self) -> None:
        """Everything runs again, Alertmanager says once more what is so, and the dust settles."""
        self.outside.trouble.delay = self.outside.trouble.late = 0
        for responder in self.responders:
            responder.process.wait_until(responder.ready, PATIENCE)
        rng = random.Random(0)
        for alert in self.episodes:
            now = firing if alert in self.on else resolved
            self._send(message(now(ALERTS[alert])), rng)
        wait_until(self._settled, PATIENCE, lambda: str(self.sql("SELECT * FROM monitoring.responder_actions")))

    def _settled(self) -> bool:
        (pending,) = self.sql(
            "SELECT count(*) FROM monitoring.responder_actions"
            " WHERE state IN ('pending', 'waiting', 'running', 'reverting') AND due_at IS NOT NULL"
        )[0]
        open_ = {
            (row[0], tuple(sorted(row[1].items())))
            for row in self.sql("SELECT playbook, labels FROM monitoring.responder_incidents WHERE state <> 'closed'")
        }
        wanted = {(ALERTS[one]["playbook"], tuple(sorted(ALERTS[one].items()))) for one in self.on}
        (due,) = self.sql(
            "SELECT count(*) FROM monitoring.responder_actions a JOIN monitoring.responder_incidents i"
            " USING (correlation_id) WHERE i.state = 'closed' AND a.due_at IS NOT NULL"
        )[0]
        return (pending, due, open_) == (0, 0, wanted)

    def _tell_prometheus(self) -> None:
        self.prometheus.firing = [ALERTS[alert] for alert in self.on]

    def _send(self, one: dict[str, Any], rng: random.Random) -> None:
        self.sent.append(one)
        self._deliver(one, rng)
        # The other half of a pair of Alertmanagers in a partition.
        if rng.random() < 0.2:
            self._deliver(one, rng)

    def _deliver(self, one: dict[str, Any], rng: random.Random) -> None:
        """As Alertmanager does: until somebody has taken it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = rng.choice(self.responders).post(one, timeout=5)
            except requests.RequestException:
                answer = None
            if answer is not None and answer.status_code == 202:
                self.deliveries += 1
                return
            assert answer is None or answer.status_code >= 500, answer.text
            assert time.monotonic() < deadline, "nobody takes a message"
            time.sleep(0.05)

    def sql(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return rows(self.database.dsn, sql, *parameters)
