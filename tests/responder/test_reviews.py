"""What a lower threshold costs: buyers an hour who go to review, as the exporter's histogram tells it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.openmetrics import create_blocks
from exporter.collectors.fraud import SCORE, SCORE_BOUNDS
from responder.config import Config, Endpoint
from responder.endpoints import EndpointClient
from responder.prometheus import Prometheus as Client
from responder.prometheus import PrometheusError, Sample
from responder.reviews import more_reviews_per_hour
from testbed.servers.prometheus import Prometheus
from tests.responder.conftest import Start, World
from tests.responder.messages import FRAUD, firing, message
from tests.responder.process import wait_until

STEP = 15


def client(url: str) -> Client:
    endpoint = Endpoint(url=url)
    return Client(EndpointClient(Config(prometheus=endpoint)), endpoint)


def test_by_what_the_exporter_counts_in_an_hour(tmp_path: Path) -> None:
    """120 scores an hour in each bucket, counted by a pair of exporters, of which one has just begun."""
    now = round(time.time())
    samples, config = tmp_path / "past.openmetrics", tmp_path / "prometheus.yml"
    config.write_text("{}")
    bounds = [*map(str, SCORE_BOUNDS), "+Inf"]
    with samples.open("w") as file:
        for number, bound in enumerate(bounds, 1):
            for platform, instance, since in (
                ("main", "a", now - 7200),
                ("main", "b", now - 900),
                ("new", "a", now - 900),
            ):
                labels = f'platform="{platform}",instance="{instance}",le="{bound}"'
                for at in range(since, now + 120, STEP):
                    file.write(f"{SCORE.name}_bucket{{{labels}}} {number * (at - since) / 30} {at}\n")
        file.write("# EOF\n")
    server = Prometheus(config, tmp_path / "data")
    create_blocks(samples, server.data)
    with server as running:
        asked = client(running.url)
        assert more_reviews_per_hour(asked, "main", 0.6, 0.5) == pytest.approx(120, rel=0.01)
        assert more_reviews_per_hour(asked, "main", 0.65, 0.5) == pytest.approx(180, rel=0.01)
        assert more_reviews_per_hour(asked, "main", 1, 0) == pytest.approx(1200, rel=0.01)
        assert more_reviews_per_hour(asked, 'ma"in', 0.6, 0.5) is None
        assert more_reviews_per_hour(asked, "new", 0.6, 0.5) is None
    with pytest.raises(PrometheusError):
        more_reviews_per_hour(asked, "main", 0.6, 0.5)


class Told(Client):
    """Says these counts, one for each bound."""

    def __init__(self, counts: Sequence[float]) -> None:
        self._counts = counts

    def query(self, expression: str, at: float | None = None) -> list[Sample]:  # noqa: ARG002
        total, found = 0.0, []
        for bound, count in zip((*map(str, SCORE_BOUNDS), "+Inf"), self._counts, strict=False):
            total += count
            found.append(Sample({"le": bound}, total))
        return found


scores = st.floats(0, 1)


@given(
    counts=st.lists(st.floats(0, 1e6), min_size=len(SCORE_BOUNDS) + 1, max_size=len(SCORE_BOUNDS) + 1),
    thresholds=st.tuples(scores, scores, scores).map(sorted),
)
def test_what_lies_between_thresholds_adds_up(counts: list[float], thresholds: list[float]) -> None:
    low, middle, high = thresholds
    told = Told(counts)

    def more(was: float, to: float) -> float:
        found = more_reviews_per_hour(told, "main", was, to)
        assert found is not None
        return found

    assert more(high, middle) + more(middle, low) == pytest.approx(more(high, low), abs=1e-3)
    assert 0 <= more(high, low) <= sum(counts) + 1e-3
    assert more(low, low) == 0


@pytest.mark.parametrize("counts", [(), (3,) * len(SCORE_BOUNDS), (float("nan"),) * (len(SCORE_BOUNDS) + 1)])
def test_without_all_counts_nobody_knows(counts: tuple[float, ...]) -> None:
    assert more_reviews_per_hour(Told(counts), "main", 0.6, 0.5) is None


@pytest.mark.parametrize("dry_run", [True, False])
def test_it_is_told_with_the_change(world: World, start: Start, *, dry_run: bool) -> None:
    step = {"action": "set_fraud_threshold", "value": 0.5, "expires": "1h", "dry_run": dry_run}
    world.prometheus.series["ticketing_fraud_score_bucket"] = [
        {"metric": {"le": bound}, "value": [0, str(count)]}
        for bound, count in (("0.5", 900), ("0.6", 937), ("1.0", 990), ("+Inf", 990))
    ]
    responder = start(playbooks={"FraudRateSpike": {"max_per_hour": 9, "on_firing": [step]}})
    responder.post(message(firing(FRAUD)))
    reason = responder.settled()["set_fraud_threshold"]["reason"]
    assert reason.endswith(": by the scores of the last hour, about 37 more buyers an hour go to review")
    assert reason.startswith("dry run: " if dry_run else "config:fraud_threshold is 0.50, was 0.60: ")


def test_the_change_does_not_wait_for_it(world: World, start: Start) -> None:
    world.monitoring.trouble.delay = 2.5
    step = {"action": "set_fraud_threshold", "value": 0.5, "expires": "1h"}
    book = {"FraudRateSpike": {"max_per_hour": 9, "on_firing": [step]}}
    responder = start(playbooks=book, pace={"lease": "30s"})
    responder.post(message(firing(FRAUD)))
    wait_until(lambda: world.redis.get("config:fraud_threshold") == "0.50")
    assert responder.actions()["set_fraud_threshold"]["state"] == "running"
    assert responder.settled()["set_fraud_threshold"]["state"] == "done"


def test_a_prometheus_that_does_not_say_it_holds_up_nothing(world: World, start: Start) -> None:
    world.prometheus.series["ticketing_fraud_score_bucket"] = [{"metric": {}, "value": "none"}]
    step = {"action": "set_fraud_threshold", "value": 0.5, "expires": "1h"}
    responder = start(playbooks={"FraudRateSpike": {"max_per_hour": 9, "on_firing": [step]}})
    responder.post(message(firing(FRAUD)))
    settled = responder.settled()["set_fraud_threshold"]
    assert (settled["state"], settled["reason"]) == ("done", None)
    assert world.redis.get("config:fraud_threshold") == "0.50"
