"""Starts everything, shows that it lives, waits for Ctrl-C, and leaves nothing behind."""

import argparse
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from demo.directory import RUNNING, run_directory
from demo.parts import Parts, plan
from demo.rules import WAIT
from demo.startup import Startup
from demo.summary import summary
from demo.supervision import Supervisor
from testbed.servers.process import ProgramError, log_tail

# Ctrl-C, `kill`, and the end of the terminal.
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the demo; the exit status is 0 when it was ended on purpose."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--preset",
        default=os.environ.get("PRESET") or None,
        help="what the platform shows, for example blueprint (default: $PRESET, or ordinary days)",
    )
    parser.add_argument(
        "--history-hours", type=float, default=24, help="how far back the history goes (default: %(default)s)"
    )
    parser.add_argument(
        "--ha",
        action="store_true",
        help="highly available: two of each part of ours, and a store that keeps both's data",
    )
    options = parser.parse_args()
    for number in ENDING_SIGNALS:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _interrupt)
    try:
        with run_directory() as directory:
            parts = plan(directory, options.preset, options.history_hours, ha=options.ha)
            supervisor = Supervisor(directory, parts.all, as_root=os.geteuid() == 0)
            try:
                _run(parts, supervisor, options.preset, options.history_hours)
            finally:
                # A second Ctrl-C must not interrupt the cleaning up.
                for number in ENDING_SIGNALS:
                    signal.signal(number, signal.SIG_IGN)
                supervisor.stop()
    except ProgramError as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        with suppress(KeyboardInterrupt, OSError):
            _tell("\nEnded; nothing is left running.")
    return 0


def _run(parts: Parts, supervisor: Supervisor, preset: str | None, hours: float) -> None:
    began = time.monotonic()

    def say(text: str) -> None:
        _tell(f"{time.monotonic() - began:5.1f} s  {text}")

    Startup(parts, supervisor, preset, hours, say).run()
    say("live values are in Prometheus")
    _tell(f"\n{summary(parts.prometheus)}\n\n{urls(parts)}\n")
    _tell(f"To stop one part: {Path(sys.executable).parent}/supervisorctl -c {supervisor.config} stop exporter")
    _tell(
        "To see what the responder did: curl -s -H"
        f" 'Authorization: Bearer {parts.responder.token()}' {parts.responder.url}/incidents"
    )
    if parts.store is not None:
        _tell(
            "Kill any exporter, Prometheus, Alertmanager or responder: what it did goes on, and supervisor restarts it."
        )
    _announce(parts, supervisor)
    _tell(f"What incidents raise waits {WAIT} s here, what is down a minute or two; as shipped, up to 10 minutes.")
    if parts.grafana is None:
        _tell("No Grafana is installed: the board stands in for the dashboard. docs/dashboard.md says how to see that.")
    _tell("To see an alert, in another terminal: make incident NAME=admin-attack")
    _tell("Ctrl-C ends it and leaves nothing behind.")
    while supervisor.process.running:
        _end_with_the_terminal()
        time.sleep(1)
    raise ProgramError(f"supervisord ended by itself:\n{log_tail(supervisor.log)}")


def _tell(text: str) -> None:
    _end_with_the_terminal()
    print(text, flush=True)


def _end_with_the_terminal() -> None:
    """End as with Ctrl-C when the terminal or the reader of a pipe is gone.

    SIGHUP alone is not enough: it goes to the session's first process, which may be `make`, who keeps it.
    """
    output = select.poll()
    output.register(sys.stdout, 0)  # the end of the other side is always reported
    if output.poll(0):
        raise KeyboardInterrupt


def _announce(parts: Parts, supervisor: Supervisor) -> None:
    """Leave word for `demo.incident`."""
    addresses = {
        "simulator": parts.simulator.url,
        "prometheus": parts.prometheus.url,
        "inbox": parts.inbox.url,
        "responder": parts.responder.url,
        "exporters": " ".join(exporter.name for exporter in parts.exporters),
        "supervisor": str(supervisor.config),
    }
    (parts.directory / RUNNING).write_text(json.dumps(addresses))


def urls(parts: Parts) -> str:
    """Where everything is, one a line; of a pair, one a line each."""
    platform = parts.simulator.url
    rows = [(parts.grafana.home_page, "Grafana: the dashboard")] if parts.grafana else []
    for prometheus in parts.prometheuses:
        rows += [
            (prometheus.board, "the board: all six sections"),
            (f"{prometheus.url}/graph", "Prometheus"),
            (f"{prometheus.url}/alerts", "Prometheus: the state of every alert"),
        ]
    if parts.store:
        rows.append((f"{parts.store.url}/vmui", "VictoriaMetrics: what both have written"))
    rows += [(f"{alertmanager.url}/", "Alertmanager") for alertmanager in parts.alertmanagers]
    rows.append((f"{parts.inbox.url}/", "inbox: pages, chat, mail and SMS that were sent"))
    rows += [(f"{responder.url}/metrics", "responder: what it did") for responder in parts.responders]
    for exporter in parts.exporters:
        rows += [
            (f"{exporter.url}/", "exporter: state of its collectors, links to its paths"),
            (f"{exporter.url}/metrics", "exporter: metrics"),
            (f"{exporter.url}/api/monitoring/kpis", "exporter: KPIs as JSON"),
            (f"{exporter.url}/api/monitoring/fraud_feed", "exporter: fraud feed as JSON"),
        ]
    rows += [
        (f"{platform}/", "the simulated platform"),
        (f"{parts.node_exporter.url}/metrics", "node_exporter"),
        (parts.database.reader_dsn, "PostgreSQL, as the exporter sees it"),
        (parts.database.responder_dsn, "PostgreSQL, as the responder sees it"),
        (parts.redis.url(), "Redis"),
    ]
    width = max(len(address) for address, _ in rows)
    return "\n".join(f"{address:<{width}}  {meaning}" for address, meaning in rows)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
