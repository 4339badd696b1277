"""The command `python -m benchmarks.responder`."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import requests
import yaml

from benchmarks.exporter.machine import share_of_others
from benchmarks.page import rewrite
from benchmarks.responder.attacks import Locks, attack, listening, prepare
from responder.playbook_file import SHIPPED
from testbed.counterparts.server import CounterpartServer
from testbed.counterparts.siem import Siem
from testbed.counterparts.taxii import COLLECTION, Taxii
from testbed.servers.contract import DAYS_KEPT, ContractDatabase, create_contract_database
from testbed.servers.ports import free_port
from testbed.servers.postgres import Postgres
from testbed.servers.process import Process, guarded
from testbed.servers.redis import Redis

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "benchmarks.md"
BEGIN, END = "<!-- responder: written by `python -m benchmarks.responder` -->", "<!-- end of responder -->"
TOKEN = "benchmark-token-of-the-responder"
TARGET_MS = 300
# A server that loses nothing at a crash: a lock counts when it is on the disk.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@dataclass(frozen=True)
class Workload:
    """How accounts are attacked."""

    name: str
    responders: int
    at_once: int
    pause: float
    accounts: int


WORKLOADS = (
    Workload("one attack after the other", responders=1, at_once=1, pause=0.1, accounts=300),
    Workload("eight a second, side by side", responders=1, at_once=8, pause=1.0, accounts=240),
    Workload(
        "told twice, by a pair of Alertmanagers, to two responders", responders=2, at_once=1, pause=0.1, accounts=300
    ),
)


@dataclass(frozen=True)
class Result:
    """Milliseconds of one workload."""

    workload: Workload
    answered: list[float]
    locked: list[float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.responder", description=__doc__)
    parser.add_argument("--no-page", action="store_true", help="print only, and leave docs/benchmarks.md as it is")
    flags = parser.parse_args(arguments)
    others = share_of_others()
    with ExitStack() as stack:
        results = _measure(stack)
    text = _report(results, others)
    print(text)
    if not flags.no_page:
        rewrite(PAGE, BEGIN, END, text)
    return 0


def _measure(stack: ExitStack) -> list[Result]:
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ticketing-bench-")))
    postgres = stack.enter_context(Postgres(settings=DURABLE))
    redis = stack.enter_context(Redis())
    outside = stack.enter_context(CounterpartServer([Siem(), Taxii()]))
    database = create_contract_database(postgres, "bench", DAYS_KEPT)
    addresses = [_responder(stack, directory / str(number), database, redis, outside) for number in (1, 2)]
    locks = stack.enter_context(listening(database.dsn))
    return [_run(workload, database, locks, addresses) for workload in WORKLOADS]


def _responder(
    stack: ExitStack, directory: Path, database: ContractDatabase, redis: Redis, outside: CounterpartServer
) -> str:
    """Start one with the shipped playbooks and no brake; its address."""
    directory.mkdir()
    playbooks = yaml.safe_load(SHIPPED.read_text())
    playbooks["UnauthorizedAdminAccess"]["max_per_hour"] = 1_000_000
    (directory / "playbooks.yml").write_text(yaml.safe_dump(playbooks))
    config = {
        "allowed_hosts": ["127.0.0.1"],
        "siem": {
            "events": {"url": f"{outside.url}/siem/events"},
            "incidents": {"url": f"{outside.url}/siem/incidents"},
        },
        "threat_feed": {"url": f"{outside.url}/taxii2/threats/collections/{COLLECTION}"},
    }
    (directory / "responder.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "responder", f"--web.listen-address={address}"]
    command += [f"--config.file={directory}/responder.yml", f"--playbooks.file={directory}/playbooks.yml"]
    environment = {"POSTGRES_DSN": database.responder_dsn, "REDIS_URL": redis.url(), "RESPONDER_TOKEN": TOKEN}
    process = Process("responder", guarded(command), directory / "log", environment)
    process.start()
    stack.callback(process.stop)

    def ready() -> bool:
        try:
            return requests.get(f"http://{address}/-/ready", timeout=5).ok
        except requests.RequestException:
            return False

    process.wait_until(ready)
    return f"http://{address}"


def _run(workload: Workload, database: ContractDatabase, locks: Locks, addresses: Sequence[str]) -> Result:
    accounts = [f"{workload.name} {number}" for number in range(workload.accounts)]
    prepare(database.dsn, accounts)
    answered, locked = attack(
        accounts,
        locks,
        addresses[: workload.responders],
        TOKEN,
        at_once=workload.at_once,
        pause=workload.pause,
    )
    return Result(workload, [1000 * one for one in answered], [1000 * one for one in locked])


def _report(results: Sequence[Result], others: float) -> str:
    lines = [
        f"- {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, Python {platform.python_version()};"
        f" other programs took {others:.0%} of the machine before the run",
        f"- {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}",
        "",
        "| | accounts | answered p50 ms | p95 | locked p50 ms | p95 | p99 | longest | p95 ≤ 300 ms |",
        "| :-- | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for result in results:
        answered, locked = _percentiles(result.answered), _percentiles(result.locked)
        met = "yes" if locked[94] <= TARGET_MS else "**no**"
        lines.append(
            f"| {result.workload.name} | {len(result.locked)} | {answered[49]:.1f} | {answered[94]:.1f} |"
            f" {locked[49]:.1f} | {locked[94]:.1f} | {locked[98]:.1f} | {max(result.locked):.1f} | {met} |"
        )
    return "\n".join(lines)


def _percentiles(values: Sequence[float]) -> list[float]:
    return statistics.quantiles(values, n=100, method="inclusive")


if __name__ == "__main__":
    sys.exit(main())
