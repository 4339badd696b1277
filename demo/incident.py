"""Starts or ends an incident in a running demo: `make incident NAME=fraud-spike`, `make incident NAME=… STOP=1`."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from demo.directory import CACHE, RUNNING
from demo.incidents import INCIDENTS, Incident
from demo.reach import Demo, NotReachedError, OnThisMachine, containers, query


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
    demo = _running_demo(options.directory)
    if demo is None:
        print("No demo is running: start one with make demo or make stack-demo.", file=sys.stderr)
        return 1
    incident = INCIDENTS[options.name]
    try:
        (stop if options.stop else start)(demo, incident)
    except NotReachedError as error:
        print(f"The demo does not do it: {error}", file=sys.stderr)
        return 1
    if options.stop:
        print(f"{options.name} is over.")
    else:
        print(f"{options.name} has begun: {incident.what}.\nTold after {incident.after}:\n{_told(incident)}")
        print(f"Alerts: {demo.alerts}   inbox: {demo.inbox}")
    return 0


def listing() -> str:
    """Every incident, what happens, and who is told of it."""
    return "\n".join(
        f"make incident NAME={name}\n  {incident.what}; after {incident.after}:\n{_told(incident)}"
        for name, incident in INCIDENTS.items()
    )


def _told(incident: Incident) -> str:
    return "\n".join(f"  {alert} → {', '.join(sorted(channels))}" for alert, channels in incident.tells.items())


def _running_demo(directory: Path | None) -> Demo | None:
    """The newest on this machine, or else the one in containers."""
    if directory is not None:
        places = [*directory.glob(RUNNING)]
    else:
        places = [*CACHE.glob(f"*/{RUNNING}"), *Path(tempfile.gettempdir()).glob(f"ticketing-demo-*/{RUNNING}")]
    if not places:
        return containers() if directory is None else None
    return OnThisMachine(json.loads(max(places, key=lambda file: file.stat().st_mtime).read_text()))


def start(demo: Demo, incident: Incident) -> None:
    """Start an incident in a demo.

    Raises:
        NotReachedError: The simulator or Prometheus does not answer, or the exporter cannot be stopped.
    """
    if incident.episode is None:
        demo.exporters("stop")
        return
    parameters = dict(incident.parameters)
    if incident.refunded:
        parameters["refunds_usd"] = incident.refunded * _revenue(demo)
    demo.ask("POST", "simulator", _episode(incident.episode), parameters)


def stop(demo: Demo, incident: Incident) -> None:
    """End an incident; see `start`."""
    if incident.episode is None:
        demo.exporters("start")
    else:
        demo.ask("DELETE", "simulator", _episode(incident.episode))


def _episode(episode: str) -> str:
    return f"/control/episodes/{episode}"


def _revenue(demo: Demo) -> float:
    """Of the last hour, in USD; 0 when it is not known."""
    answer = demo.ask("GET", "prometheus", query("max(ticketing_kpi_revenue_per_hour_usd)"))
    series = json.loads(answer)["data"]["result"]
    return max(float(series[0]["value"][1]), 0.0) if series else 0.0


if __name__ == "__main__":
    sys.exit(main())
