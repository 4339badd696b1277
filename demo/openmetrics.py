"""Scrapes of the past as a file that promtool turns into Prometheus's own blocks, and VictoriaMetrics imports."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

import requests


def write_scrape(file: TextIO, exposition: str, labels: Mapping[str, str], timestamp: float) -> None:
    """Append the samples of one scrape.

    Args:
        file: OpenMetrics text.
        exposition: What the exporter answered, without timestamps.
        labels: Those that Prometheus adds to a scrape: job, instance and platform.
        timestamp: Unix seconds of the scrape.
    """
    added = ",".join(f'{name}="{value}"' for name, value in labels.items())
    for line in exposition.splitlines():
        if line and not line.startswith("#"):
            file.write(f"{_labelled(line, added)} {timestamp:.3f}\n")


def _labelled(sample: str, added: str) -> str:
    """The sample `name{a="b"} 1` or `name 1` with more labels."""
    series, value = sample.rsplit(" ", 1)
    name, brace, own = series.partition("{")
    return f"{name}{{{added}{',' + own if brace else '}'} {value}"


def create_blocks(file: Path, data: Path) -> None:
    """Write the samples of an OpenMetrics file into a Prometheus data directory that no server uses.

    Raises:
        subprocess.CalledProcessError: promtool refuses them; its own message is on standard error.
    """
    data.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(file), str(data)], check=True
    )


def import_samples(file: Path, url: str) -> None:
    """Write the samples of an OpenMetrics file into a running VictoriaMetrics, which wants milliseconds.

    Raises:
        requests.RequestException: It does not answer, or refuses them.
    """

    def lines() -> Iterator[bytes]:
        with file.open() as samples:
            for line in samples:
                if not line.startswith("#"):
                    sample, timestamp = line.rsplit(" ", 1)
                    yield f"{sample} {float(timestamp) * 1000:.0f}\n".encode()

    requests.post(f"{url}/api/v1/import/prometheus", data=lines(), timeout=60).raise_for_status()
