"""A pair of Prometheus servers writes to a store that is away for a while: afterwards not one sample is missing."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
import requests
import yaml

from deploy.scale import DEDUPLICATION, REPLICAS, SEARCH, stores
from testbed.counterparts.server import CounterpartServer, Reply, Request
from testbed.servers.prometheus import Prometheus
from testbed.servers.victoriametrics import VictoriaMetrics
from tests.responder.process import wait_until

_LOG = logging.getLogger(__name__)

#: Of the load that is looked at sample by sample; of the others the samples are counted.
LOOKED_AT = 'load_total{series=~".*00"}'

#: Of the metrics in which Prometheus tells how it writes.
PREFIX = "prometheus_remote_storage"

#: Milliseconds; the store keeps the last sample in each.
STEP = 1000


@dataclass
class Load:
    """An exporter with many series, each of which grows by one with each scrape."""

    series: int
    scrapes: Iterator[int] = field(default_factory=lambda: count(1))

    def answer(self, request: Request) -> Reply | None:
        if request.path != "/metrics":
            return None
        value = next(self.scrapes)
        lines = [f'load_total{{series="{number:05}"}} {value}\n' for number in range(self.series)]
        return Reply(200, "".join(lines).encode(), "text/plain; version=0.0.4")


@dataclass
class Pair:
    """Two servers as `deploy.scale` configures them, and their store."""

    load: Load
    prometheuses: list[Prometheus]
    store: VictoriaMetrics

    def scraped_at(self, start: float, end: float) -> dict[int, float]:
        """Value by millisecond, of what both have scraped after `start` and until `end`; of every series the same.

        A scrape that fails on a busy machine ends all series with a stale marker: NaN.
        """
        found: dict[int, float] = {}
        for prometheus in self.prometheuses:
            samples = self._raw(prometheus, 'load_total{series="00000"}', start, end)
            worked = True
            for at, up in sorted(self._raw(prometheus, "up", start, end).items()):
                if not up and worked:
                    found[at] = math.nan
                worked = bool(up)
            found |= samples
        return found

    def _raw(self, prometheus: Prometheus, selector: str, start: float, end: float) -> dict[int, float]:
        query = f"{selector}[{math.ceil(end - start)}s]"
        answer = requests.get(f"{prometheus.url}/api/v1/query", {"query": query, "time": str(end)}, timeout=30)
        answer.raise_for_status()
        (series,) = answer.json()["data"]["result"]
        samples = {round(at * 1000): float(value) for at, value in series["values"]}
        return {at: value for at, value in samples.items() if start * 1000 < at <= end * 1000}

    def stored(self, start: float, end: float) -> dict[str, dict[int, float]]:
        """Value by millisecond, by series, of those that are looked at."""
        parameters = {"match[]": LOOKED_AT, "start": f"{start:.3f}", "end": f"{end:.3f}"}
        answer = requests.get(f"{self.store.url}/api/v1/export", parameters, timeout=60)
        answer.raise_for_status()
        lines = [json.loads(line) for line in answer.text.splitlines()]
        return {
            line["metric"]["series"]: {
                at: math.nan if value is None else value
                for at, value in zip(line["timestamps"], line["values"], strict=True)
                if start * 1000 < at <= end * 1000
            }
            for line in lines
        }

    def count_stored(self, start: float, end: float) -> int:
        """Samples of all series after `start` and until `end`; asked in ten parts, because there are millions."""
        counts = []
        for digit in range(10):
            query = f'sum(count_over_time(load_total{{series=~".*{digit}"}}[{round(end - start)}s]))'
            answer = requests.get(f"{self.store.url}/api/v1/query", {"query": query, "time": str(end)}, timeout=60)
            if not answer.ok:  # so busy that the query takes too long
                _LOG.warning("the store does not answer: %s", answer.text)
                return 0
            counts += [int(one["value"][1]) for one in answer.json()["data"]["result"]]
        return sum(counts)

    def own(self, metric: str) -> list[float]:
        """A metric of remote write, of each server."""
        texts = [requests.get(f"{prometheus.url}/metrics", timeout=30).text for prometheus in self.prometheuses]
        lines = [line for text in texts for line in text.splitlines() if line.startswith(f"{PREFIX}_{metric}{{")]
        return [float(line.rpartition(" ")[2]) for line in lines]


def kept(scraped: dict[int, float]) -> dict[int, float]:
    """What the store should show of this: the last of each second, if it is no stale marker."""
    last = {-(-at // STEP): at for at in sorted(scraped)}
    return {at: scraped[at] for at in last.values() if not math.isnan(scraped[at])}


@pytest.fixture
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    load = Load(request.param)
    with ExitStack() as started:
        source = started.enter_context(CounterpartServer([load]))
        store = started.enter_context(VictoriaMetrics(tmp_path / "store", flags=(DEDUPLICATION, *SEARCH)))
        write = {**stores()["victoriametrics"], "url": f"{store.url}/api/v1/write"}
        prometheuses = []
        for replica in REPLICAS:
            config = {
                "global": {"scrape_interval": "1s", "external_labels": {"replica": replica}},
                "scrape_configs": [
                    {"job_name": "load", "static_configs": [{"targets": [source.url.removeprefix("http://")]}]}
                ],
                "remote_write": [write],
            }
            file = tmp_path / f"{replica}.yml"
            file.write_text(yaml.safe_dump(config))
            prometheuses.append(started.enter_context(Prometheus(file, tmp_path / replica)))
        yield Pair(load, prometheuses, store)


def nothing_is_lost(pair: Pair, outage_seconds: float) -> None:
    wait_until(lambda: len(pair.store.query("load_total")) == pair.load.series, 60)
    start = math.floor(time.time())
    time.sleep(3)
    pair.store.stop()
    time.sleep(outage_seconds)
    back = time.time()
    pair.store.start()
    time.sleep(1)
    # Whatever was scraped until now has to arrive.
    end = math.floor(time.time())
    wait_until(lambda: min(pair.own("queue_highest_sent_timestamp_seconds")) > end, 300)
    took = time.time() - back
    scraped = pair.scraped_at(start, end)
    expected = kept(scraped)
    wanted = len(expected) * pair.load.series
    # What has arrived can be found a moment later.
    wait_until(
        lambda: pair.count_stored(start, end) == wanted, 180, lambda: f"{pair.count_stored(start, end)}, {wanted}"
    )
    stored = pair.stored(start, end)
    assert len(stored) == pair.load.series // 100
    for series, values in stored.items():
        # What is exported is not thinned out, what queries see is.
        assert kept(values) == expected, series
    assert pair.own("samples_failed_total") == pair.own("samples_dropped_total") == [0, 0]
    # More than half of the seconds have a sample of each server, or the load was none.
    assert len(scraped) > 1.5 * len(expected)
    samples = len(scraped) * pair.load.series
    _LOG.info(
        "%d series, scraped %d times by the pair in %d s; the store was away for %.0f s, and caught up in %.1f s after"
        " that, taking %.0f samples a second; it shows %d of %d, one a second, and not one is missing",
        pair.load.series, len(scraped), end - start, back - start - 3, took, samples / took, wanted, samples,
    )  # fmt: skip


@pytest.mark.parametrize("pair", [500], indirect=True)
def test_a_store_that_is_away_for_seconds(pair: Pair) -> None:
    nothing_is_lost(pair, 8)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("pair", [2000], indirect=True)
def test_a_store_that_is_away_for_ten_minutes_under_load(pair: Pair) -> None:
    nothing_is_lost(pair, 600)
