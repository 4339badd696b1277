"""Writes the JSON of every dashboard: `python -m grafana.dashboards [DIRECTORY]`."""

import argparse
import json
from pathlib import Path

from grafana.dashboards import investigate, own, stack, ticketing

DASHBOARDS = (ticketing.DASHBOARD, stack.DASHBOARD, investigate.DASHBOARD, own.DASHBOARD)

HERE = Path(__file__).parent


def main() -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(prog="python -m grafana.dashboards", description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=HERE, help="where to (default: beside the code)")
    write(parser.parse_args().directory)


def write(directory: Path) -> None:
    """Write `<uid>.json` of each dashboard: the same bytes as long as the code is the same."""
    for dashboard in DASHBOARDS:
        text = json.dumps(dashboard.json(), indent=2, ensure_ascii=False, sort_keys=True)
        (directory / f"{dashboard.uid}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
