"""Starts or ends an incident in a running demo: `make incident NAME=fraud-spike`, `make incident NAME=… STOP=1`."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import requests

from demo.directory import CACHE, RUNNING
from demo.incidents import INCIDENTS, Incident


def main(arguments: list[str] | None = None) -> int:
    """Start or end it; the exit status is 0 when the demo did so."""
    parser = argparse.ArgumentParser(prog="make incident", description=__doc__)
    parser.add_argument("name", nargs="?", default="", help=", ".join(INCIDENTS))
    parser.add_argument("--stop", action="store_true", help="end it")
    parser.add_argument("--directory", type=Path, help="of the demo; the newest without it")
    options = parser.parse_args(arguments)
    if options.name not in INCIDENTS:
        print(listing())
        if not options.name:
            return 0
        print(f"There is no incident {options.name!r}: the above are all.", file=sys.stderr)
        return 2
    running = _running_demo(options.directory)
    if running is None:
        print("No demo is running: start one with make demo in another terminal.", file=sys.stderr)
        return 1
    incident = INCIDENTS[options.name]
    try:
        (stop if options.stop else start)(running, incident)
    except (requests.RequestException, subprocess.CalledProcessError) as error:
        print(f"The demo does not do it: {error}", file=sys.stderr)
        return 1
    if options.stop:
        print(f"{options.name} is over.")
    else:
        print(f"{options.name} has begun: {incident.what}.\nTold after {incident.after}:\n{_told(incident)}")
        print(f"Alerts: {running['prometheus']}/alerts   inbox: {running['inbox']}/")
    return 0


def listing() -> str:
    """Every incident, what happens, and who is told of it."""
    return "\n".join(
        f"make incident NAME={name}\n  {incident.what}; after {incident.after}:\n{_told(incident)}"
        for name, incident in INCIDENTS.items()
    )


def _told(incident: Incident) -> str:
    return "\n".join(f"  {alert} → {', '.join(sorted(channels))}" for alert, channels in incident.tells.items())


def _running_demo(directory: Path | None) -> dict[str, str] | None:
    if directory is not None:
        places = [*directory.glob(RUNNING)]
    else:
        places = [*CACHE.glob(f"*/{RUNNING}"), *Path(tempfile.gettempdir()).glob(f"ticketing-demo-*/{RUNNING}")]
    if not places:
        return None
    running: dict[str, str] = json.loads(max(places, key=lambda file: file.stat().st_mtime).read_text())
    return running


def start(running: Mapping[str, str], incident: Incident) -> None:
    """Start an incident in a demo.

    Args:
        running: Addresses of its parts, as in its demo.json.
        incident: Which.

    Raises:
        requests.RequestException: The simulator or Prometheus does not answer.
        subprocess.CalledProcessError: The exporter cannot be stopped.
    """
    if incident.episode is None:
        _supervise(running, "stop")
        return
    parameters = dict(incident.parameters)
    if incident.refunded:
        parameters["refunds_usd"] = incident.refunded * _revenue(running)
    requests.post(_episode(running, incident.episode), json=parameters, timeout=10).raise_for_status()


def stop(running: Mapping[str, str], incident: Incident) -> None:
    """End an incident; see `start`."""
    if incident.episode is None:
        _supervise(running, "start")
    else:
        requests.delete(_episode(running, incident.episode), timeout=10).raise_for_status()


def _episode(running: Mapping[str, str], episode: str) -> str:
    return f"{running['simulator']}/control/episodes/{episode}"


def _revenue(running: Mapping[str, str]) -> float:
    """Of the last hour, in USD; 0 when it is not known."""
    query = {"query": "max(ticketing_kpi_revenue_per_hour_usd)"}
    answer = requests.get(f"{running['prometheus']}/api/v1/query", params=query, timeout=10)
    answer.raise_for_status()
    series = answer.json()["data"]["result"]
    return max(float(series[0]["value"][1]), 0.0) if series else 0.0


def _supervise(running: Mapping[str, str], action: str) -> None:
    """Start or stop the exporter, or both of them."""
    command = [str(Path(sys.executable).parent / "supervisorctl"), "-c", running["supervisor"], action]
    subprocess.run([*command, *running["exporters"].split()], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
