"""The two measurements: each trial at a random moment, for an account or a service of its own."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import closing

import psycopg2

from benchmarks.alert_latency.pipeline import Service, arrivals
from demo.parts import Parts
from demo.programs import DATABASE

#: Between two attacked accounts. The exporter shows the 50 accounts with most failures within five minutes.
BETWEEN_ATTACKS = (6.5, 8.5)
#: Within this time all services are shut.
SHUTTING_SECONDS = 90
_INSERT = (
    "INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account, source_ip)"
    " VALUES (clock_timestamp(), 'HIGH', 'mfa_failed', 'Failed MFA code', %s, '203.0.113.99')"
)


def attacked_accounts(parts: Parts, trials: int) -> list[float]:
    """Seconds from the commit of an account's third failed MFA to the responder's webhook, one a trial.

    Raises:
        RuntimeError: One did not arrive.
    """
    committed = {}
    with closing(psycopg2.connect(parts.postgres.dsn(dbname=DATABASE))) as connection:
        for trial in range(trials):
            time.sleep(random.uniform(*BETWEEN_ATTACKS))
            account = f"bench-{trial:03}"
            for _ in range(3):
                with connection, connection.cursor() as cursor:
                    cursor.execute(_INSERT, (account,))
                    # Of the last one; before its commit, so the time of that counts too.
                    committed[account] = time.time()
    return _latencies(parts, "responder", r"bench-\d{3}", committed, 10)


def shut_services(parts: Parts, services: Sequence[Service], longest: float) -> list[float]:
    """Seconds from a service's end to PagerDuty's event, one a service.

    Args:
        parts: With a probe of each.
        services: All are there.
        longest: Seconds until the last must have arrived.

    Raises:
        RuntimeError: One did not arrive.
    """
    began = time.time()
    shut: dict[str, float] = {}
    for at, service in zip(sorted(random.uniform(0, SHUTTING_SECONDS) for _ in services), services, strict=True):
        while time.time() < began + at:
            for other in services[len(shut) :]:
                other.drain()
            time.sleep(min(max(began + at - time.time(), 0), 0.5))
        shut[service.name] = time.time()
        service.shut()
    return _latencies(parts, "pagerduty", r"service-\d{3}", shut, longest)


def _latencies(parts: Parts, channel: str, names: str, since: dict[str, float], longest: float) -> list[float]:
    deadline = time.monotonic() + longest
    while (missing := since.keys() - arrivals(parts, channel, names)) and time.monotonic() < deadline:
        time.sleep(0.5)
    if missing:
        raise RuntimeError(f"no notification of {', '.join(sorted(missing))}")
    arrived = arrivals(parts, channel, names)
    return [arrived[name] - at for name, at in since.items()]
