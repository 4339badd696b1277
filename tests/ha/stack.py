"""The eight processes of a highly available stack, as shipped, and an administrator's account under attack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg2
import requests
import yaml

from demo.configs import prometheus_config, write_configs
from demo.parts import Parts, plan, running
from demo.rules import SHIPPED_RULES
from testbed.servers.alertmanager import Alertmanager, cluster_flags
from testbed.servers.ports import free_port
from tests.alertmanager.chain import alert_name
from tests.ha.link import Link
from tests.responder.sql import rows

#: Every so many seconds each attacked account fails once more, so that three are within five minutes.
AGAIN = 20

#: What the playbook does about an attack, besides telling the chat.
EFFECTS = ("lock_account", "record_siem", "add_threat_indicator", "open_siem_incident")


#: Channel, account or alert, status.
Told = tuple[str, str, str]


@dataclass
class Stack:
    """The processes, and what came of the attacks.

    Attributes:
        parts: the processes.
        links: between the Alertmanagers.
        accounts: that are under attack.
        besides: alerts that may be told besides, because something they speak of has happened.
    """

    parts: Parts
    links: tuple[Link, Link]
    accounts: list[str] = field(default_factory=list)
    besides: set[str] = field(default_factory=set)
    _over: Event = field(default_factory=Event)

    def attack(self, account: str) -> None:
        """Somebody has the password of a new administrator, and fails the second factor three times."""
        self.accounts.append(account)
        self._sql("INSERT INTO platform.admin_accounts (account) VALUES (%s)", account)
        self._fail(account, times=3)

    def stop_attacking(self) -> None:
        """Nobody tries any more."""
        self._over.set()

    def effects(self, account: str) -> dict[str, int]:
        """How often each was done to the platform; of a lock, how often the account went from open to locked."""
        platform = self.parts.simulator.url
        workflows = requests.get(f"{platform}/siem/incidents", timeout=10).json()
        source = self._source(account)
        counts = self._sql(
            "SELECT (SELECT count(*) FROM platform.locks WHERE account = %s),"
            " (SELECT count(*) FROM platform.security_events WHERE account = %s AND event_type = 'admin_account_lock'),"
            " (SELECT count(*) FROM platform.threat_indicators WHERE source_ip = %s)",
            account,
            account,
            source,
        )[0]
        opened = sum(account in one["title"] for one in workflows)
        return dict(zip(EFFECTS, (*counts, opened), strict=True))

    def incidents(self, alert: str, account: str | None = None) -> list[str]:
        """The states of an alert's incidents in the ledger."""
        found = self._sql(
            "SELECT state FROM monitoring.responder_incidents"
            " WHERE alertname = %s AND labels ->> 'account' IS NOT DISTINCT FROM %s",
            alert,
            account,
        )
        return [state for (state,) in found]

    def slow_down(self) -> None:
        """The prediction API is slow from now on, for an hour."""
        requests.post(self._slow_api, json={"minutes": 60}, timeout=10).raise_for_status()

    def speed_up(self) -> None:
        """Undo `slow_down`."""
        requests.delete(self._slow_api, timeout=10).raise_for_status()

    def replicas(self) -> int:
        """Of the backend."""
        path = "apis/apps/v1/namespaces/ticketing/deployments/backend/scale"
        scale = requests.get(f"{self.parts.simulator.url}/{path}", timeout=10).json()
        return int(scale["spec"]["replicas"])

    @property
    def _slow_api(self) -> str:
        return f"{self.parts.simulator.url}/control/episodes/slow_api"

    def told(self) -> Counter[Told]:
        """How often each channel was told what of which account or, of other alerts, by its name."""
        return Counter(self._told(one) for one in self._notifications())

    def first_told(self, told: Told) -> float:
        """When that was told first, in unix seconds."""
        return min(float(one["received_at"]) for one in self._notifications() if self._told(one) == told)

    def _notifications(self) -> list[dict[str, Any]]:
        """What people got."""
        return [one for one in self.parts.inbox.notifications() if one["channel"] not in ("heartbeat", "responder")]

    def _told(self, one: dict[str, Any]) -> Told:
        text = f"{one['title']} {one['text']}"
        # A page of one account has no other in it.
        about = next((account for account in self.accounts if account in text), None)
        # Of the responder; its text begins with the alert's name.
        chat = one["channel"] == "slack" and "attachments" not in one["raw"]
        name = text.partition(":")[0] if chat else alert_name(one)
        return ("chat" if chat else one["channel"], about or name, one["status"])

    @contextmanager
    def attacking(self) -> Iterator[None]:
        """Attacks go on meanwhile, whatever state the database is in."""

        def attack() -> None:
            while not self._over.wait(AGAIN):
                for account in list(self.accounts):
                    with suppress(psycopg2.Error):
                        self._fail(account, times=1)

        thread = Thread(target=attack, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(60)

    def watch_locks(self) -> None:
        """Count every change of an account from open to locked."""
        self._sql(
            "CREATE TABLE platform.locks (account text);"
            " CREATE FUNCTION platform.count_lock() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN INSERT INTO platform.locks VALUES (NEW.account); RETURN NEW; END $$;"
            " CREATE TRIGGER count_lock AFTER UPDATE ON platform.admin_accounts FOR EACH ROW"
            " WHEN (OLD.locked_at IS NULL AND NEW.locked_at IS NOT NULL) EXECUTE FUNCTION platform.count_lock()"
        )

    def _fail(self, account: str, times: int) -> None:
        self._sql(
            "INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account, source_ip)"
            " SELECT now(), 'HIGH', 'mfa_failed', 'Failed MFA code', %s, %s FROM generate_series(1, %s)",
            account,
            self._source(account),
            times,
        )

    def _source(self, account: str) -> str:
        return f"203.0.113.{100 + self.accounts.index(account)}"

    def _sql(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return rows(self.parts.database.dsn, sql, *parameters)


@contextmanager
def running_stack(directory: Path) -> Iterator[Stack]:
    """All processes with the shipped rules and times, without a past; the Alertmanagers hear each other over links."""
    parts = plan(directory, preset=None, hours=0, ha=True)
    first, second = free_port(), free_port()
    with ExitStack() as started:
        links = (started.enter_context(Link(first)), started.enter_context(Link(second)))
        parts = replace(
            parts,
            grafana=None,
            alertmanagers=(
                _relinked(parts.alertmanagers[0], first, advertised=links[0].port, peer=links[1].port),
                _relinked(parts.alertmanagers[1], second, advertised=links[1].port, peer=links[0].port),
            ),
        )
        write_configs(parts)
        for number, prometheus in enumerate(parts.prometheuses):
            config = prometheus_config(parts, number) | {"rule_files": [str(SHIPPED_RULES / "*.yml")]}
            prometheus.config.write_text(yaml.safe_dump(config))
        started.enter_context(running(parts))
        stack = Stack(parts, links)
        stack.watch_locks()
        started.enter_context(stack.attacking())
        yield stack


def _relinked(alertmanager: Alertmanager, port: int, *, advertised: int, peer: int) -> Alertmanager:
    """The same with another way to its peer."""
    linked = Alertmanager(
        alertmanager.config, alertmanager.directory, alertmanager.port, cluster_flags(port, [peer], advertised)
    )
    linked.name = alertmanager.name
    return linked
