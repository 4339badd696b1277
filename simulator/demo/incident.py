"""Starts or ends an incident in a running demo: `make incident NAME=fraud-spike`, `make incident NAME=… STOP=1`."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from simulator.demo.directory import CACHE, RUNNING


@dataclass(frozen=True)
class Incident:
    """What happens, and which alert tells of it.

    Attributes:
        alert: its name.
        after: how long it takes to fire, for people.
        episode: of the simulator; None when a part of the demo is stopped.
        parameters: of the episode, that differ from its defaults.
    """

    alert: str
    after: str
    episode: str | None
    parameters: Mapping[str, Any] = field(default_factory=dict)


INCIDENTS: Mapping[str, Incident] = {
    "admin-attack": Incident("UnauthorizedAdminAccess", "seconds", "admin_attack"),
    "exporter-down": Incident("ExporterDown", "a minute", None),
    "service-down": Incident("ServiceDown", "a minute", "service_down"),
    "traffic-flood": Incident("RateLimitNearGlobal", "three minutes", "traffic_flood"),
    "latency": Incident("ApiLatencyDegradation", "five to ten minutes", "slow_api"),
    "rpc-slow": Incident("ServiceSlow", "six minutes", "slow_rpc"),
    "drift": Incident("ModelDrift", "ten to thirty minutes", "drift"),
    "launch-revenue": Incident("RevenueLow", "ten minutes", "launch", {"revenue_factor": 0.05}),
    "quiet-predictions": Incident("PredictionsStalled", "ten minutes", "quiet_predictions"),
    "fraud-spike": Incident("FraudRateSpike", "ten to fifteen minutes", "fraud_spike"),
}


def main(arguments: list[str] | None = None) -> int:
    """Start or end it; the exit status is 0 when the demo did so."""
    parser = argparse.ArgumentParser(prog="make incident", description=__doc__)
    parser.add_argument("name", nargs="?", default="", help=", ".join(INCIDENTS))
    parser.add_argument("--stop", action="store_true", help="end it")
    parser.add_argument("--directory", type=Path, help="of the demo; the newest without it")
    options = parser.parse_args(arguments)
    if options.name not in INCIDENTS:
        for name, incident in INCIDENTS.items():
            print(f"  make incident NAME={name:<18} {incident.alert} after {incident.after}")
        return 0 if not options.name else 2
    running = _running_demo(options.directory)
    if running is None:
        print("No demo is running: start one with make demo in another terminal.", file=sys.stderr)
        return 1
    incident = INCIDENTS[options.name]
    if incident.episode is None:
        _control_exporter(running, stop=options.stop)
    else:
        _control_episode(running, incident.episode, incident.parameters, stop=options.stop)
    if options.stop:
        print(f"{options.name} is over.")
    else:
        print(f"{options.name} has begun: {incident.alert} should fire after {incident.after}.")
        print(f"Alerts: {running['prometheus']}/alerts   inbox: {running['inbox']}/")
    return 0


def _running_demo(directory: Path | None) -> dict[str, str] | None:
    if directory is not None:
        places = [directory / RUNNING]
    else:
        places = [*CACHE.glob(f"*/{RUNNING}"), *Path(tempfile.gettempdir()).glob(f"ticketing-demo-*/{RUNNING}")]
    if not places:
        return None
    running: dict[str, str] = json.loads(max(places, key=lambda file: file.stat().st_mtime).read_text())
    return running


def _control_episode(running: Mapping[str, str], episode: str, parameters: Mapping[str, Any], *, stop: bool) -> None:
    address = f"{running['simulator']}/control/episodes/{episode}"
    answer = requests.delete(address, timeout=10) if stop else requests.post(address, json=parameters, timeout=10)
    answer.raise_for_status()


def _control_exporter(running: Mapping[str, str], *, stop: bool) -> None:
    # The end of the incident is the exporter's start.
    action = "start" if stop else "stop"
    program = str(Path(sys.executable).parent / "supervisorctl")
    subprocess.run([program, "-c", running["supervisor"], action, "exporter"], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
