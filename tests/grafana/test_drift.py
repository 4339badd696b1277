"""The drift chart shows what is new, whatever its step, and the features that are worst of all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests

from demo.openmetrics import create_blocks
from testbed.servers.prometheus import Prometheus
from testbed.viewer.board import Asked, panel
from testbed.viewer.macros import filled

CHART = 403
DAY, MINUTE = 86_400, 60
EXPORTED, RECORDED = "ticketing_model_feature_drift_nats", "ticketing:model_feature_drift_nats:max"
FEATURES = {f"feature_{number}": number / 1000 for number in range(10)}
DRIFTED = 0.3
# Of charts 2,160, 340 and 100 pixels wide.
STEPS = [2 * MINUTE, 20 * MINUTE, 75 * MINUTE]
# As long after the last step as it can be: the least common multiple of them.
NOW = int(time.time()) // (300 * MINUTE) * (300 * MINUTE) - MINUTE


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A day of ten features, of which the one that was best has drifted for ten minutes."""
    directory = tmp_path_factory.mktemp("drift")
    config, samples = directory / "prometheus.yml", directory / "past.openmetrics"
    config.write_text("{}")
    with samples.open("w") as file:
        for name in (EXPORTED, RECORDED):
            for feature, usual in FEATURES.items():
                for at in range(NOW - DAY, NOW + 1, MINUTE):
                    value = DRIFTED if feature == "feature_0" and at > NOW - 10 * MINUTE else usual
                    file.write(f'{name}{{platform="main",feature="{feature}"}} {value} {at}\n')
        file.write("# EOF\n")
    server = Prometheus(config, directory)
    create_blocks(samples, server.data)
    with server:
        yield server


def last_points(server: Prometheus, step: int, now: int) -> dict[str, float]:
    """The chart's features and the last point of each, asked as Grafana does: both ends at multiples of the step."""
    target = panel("ticketing", CHART)["targets"][0]
    asked = Asked("ticketing", CHART, target["refId"], target["expr"].replace("$__interval", f"{step}s"), True, False)
    end = int(now) // step * step
    reply = requests.get(
        f"{server.url}/api/v1/query_range",
        params={
            "query": filled(asked, datetime.fromtimestamp(now, UTC)),
            "start": str(end - 5 * DAY // step * step),
            "end": str(end),
            "step": str(step),
        },
        timeout=30,
    )
    reply.raise_for_status()
    return {each["metric"]["feature"]: float(each["values"][-1][1]) for each in reply.json()["data"]["result"]}


@pytest.mark.parametrize("step", STEPS)
def test_what_began_ten_minutes_ago_is_there(prometheus: Prometheus, step: int) -> None:
    assert last_points(prometheus, step, NOW)["feature_0"] == DRIFTED


def test_only_the_worst_are_there(prometheus: Prometheus) -> None:
    shown = last_points(prometheus, 10 * MINUTE, NOW)
    assert set(shown) == {"feature_0", "feature_9", "feature_8", "feature_7"}


def test_while_nobody_reads_the_model_the_past_is_still_there(prometheus: Prometheus) -> None:
    assert len(last_points(prometheus, 10 * MINUTE, NOW + 180 * MINUTE)) == 4
