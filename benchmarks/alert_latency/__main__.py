"""The command `python -m benchmarks.alert_latency`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from benchmarks.alert_latency.pipeline import PROBE_SECONDS, Service, pipeline
from benchmarks.alert_latency.settings import Settings, shipped
from benchmarks.alert_latency.trials import SHUTTING_SECONDS, attacked_accounts, shut_services
from benchmarks.exporter.machine import hardware, share_of_others
from benchmarks.exporter.tables import table
from benchmarks.page import rewrite
from demo.parts import Parts
from testbed.servers.alertmanager import program

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- alert latency: written by `make bench-alerts` -->", "<!-- end of alert latency -->"

#: From the third failed MFA to the responder, in seconds.
TARGET_P95, TARGET_MAX = 2.0, 3.0


@dataclass(frozen=True)
class Result:
    """Latencies in seconds of one alert, and what bounds them."""

    alert: str
    path: str
    latencies: Sequence[float]
    settings: Settings

    @property
    def p50(self) -> float:
        """Median."""
        return quantiles(self.latencies, n=20, method="inclusive")[9]

    @property
    def p95(self) -> float:
        """95th percentile."""
        return quantiles(self.latencies, n=20, method="inclusive")[18]

    @property
    def most(self) -> float:
        """The longest."""
        return max(self.latencies)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; the exit status is 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alert_latency", description=__doc__)
    parser.add_argument("--trials", type=int, default=60, help="of each alert (default: %(default)s)")
    parser.add_argument("--no-page", action="store_true", help="print only, and leave docs/benchmarks.md as it is")
    flags = parser.parse_args(arguments)
    others = share_of_others()
    attack, outage = measure(flags.trials)
    text = report(attack, outage, others)
    print(f"\n{text}\n")
    if not flags.no_page:
        rewrite(PAGE, BEGIN, END, text)
    return 0 if met(attack) else 1


def measure(trials: int) -> tuple[Result, Result]:
    """An attacked account to the responder, and a service that is shut to PagerDuty."""
    critical = shipped("UnauthorizedAdminAccess", "responder", "critical")
    live = shipped("ServiceDown", "pagerduty", "high", PROBE_SECONDS)
    services = [Service(f"service-{number:03}") for number in range(trials)]
    with pipeline(services) as parts:
        wait_until_probed(parts, services)
        print(f"{trials} services are shut within {SHUTTING_SECONDS} s", flush=True)
        shut = shut_services(parts, services, live.bound + 30)
        print(f"{trials} accounts are attacked, one every seven seconds or so", flush=True)
        attacked = attacked_accounts(parts, trials)
    return (
        Result("UnauthorizedAdminAccess", "third failed MFA committed → responder", attacked, critical),
        Result("ServiceDown", "service refuses connections → PagerDuty", shut, live),
    )


def wait_until_probed(parts: Parts, services: Sequence[Service], timeout_seconds: float = 60) -> None:
    """Wait until Prometheus has a success of every service for a while: the rules know them all."""
    deadline = time.monotonic() + timeout_seconds
    while len(parts.prometheus.query('ticketing:probe_success:max{probe=~"service-.*"} == 1')) < len(services):
        if time.monotonic() > deadline:
            raise RuntimeError("not all services are probed")
        for service in services:
            service.drain()
        time.sleep(1)


def report(attack: Result, outage: Result, others: float) -> str:
    """Everything between the markers of docs/benchmarks.md."""
    head = ("", "way", "trials", "p50 s", "p95 s", "max s", "bound s", "which is")
    rows = [
        (
            result.alert,
            result.path,
            str(len(result.latencies)),
            *(f"{value:.2f}" for value in (result.p50, result.p95, result.most)),
            f"{result.settings.bound:g}",
            result.settings.sum,
        )
        for result in (attack, outage)
    ]
    machine = [*hardware(others), versions(), time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())]
    target = (
        f"Target for {attack.alert}: p95 ≤ {TARGET_P95:g} s and max ≤ {TARGET_MAX:g} s: "
        f"{'met' if met(attack) else '**not met**'}."
    )
    return "\n\n".join(["\n".join(f"- {line}" for line in machine), table(head, rows), target])


def met(attack: Result) -> bool:
    """Whether the target holds."""
    return attack.p95 <= TARGET_P95 and attack.most <= TARGET_MAX


def versions() -> str:
    """Of Prometheus and Alertmanager."""
    names = []
    for command in ("prometheus", program()):
        result = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
        name, _, version, *_ = (result.stdout + result.stderr).replace(",", "").split()
        names.append(f"{name.capitalize()} {version.partition('+')[0]}")
    return ", ".join(names)


if __name__ == "__main__":
    sys.exit(main())
