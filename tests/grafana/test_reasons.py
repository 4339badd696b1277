"""A dash has a reason: a title, or what stands in place of the values, says that the platform does not have it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from exporter.absence import NAMES
from grafana.dashboards.reasons import HERE, PARTS, READING, SECTIONS, VARIABLES
from testbed.servers.prometheus import Prometheus
from testbed.viewer.asking import answer
from testbed.viewer.board import dashboard, panels, queries
from tests.prometheus.board import board, golden
from tests.prometheus.test_board import wait_for
from tests.prometheus.test_board_absent import lacking

LACKS = {
    "model": {"features": ["fraud_model", "latency"]},
    "limits": {"features": ["rate_limits", "clients", "sign_ins", "drift", "labels"]},
}
#: What a section exports, by the platform that lacks it.
GONE = {
    "model": r"ticketing_(fraud|model)_|ticketing_kpi_(fraud|api)|.*collector=\"(fraud|model)\"",
    "limits": r"ticketing_(rate_limit|client_|admin_|model_(pred|unl|feat))",
}
READ = 'ticketing_exporter_history_complete_ratio{collector="fraud"} '


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    others = {
        name: "".join(line for line in lacking(declared).splitlines(True) if not re.match(GONE[name], line))
        for name, declared in LACKS.items()
    }
    unread = [line for line in golden().splitlines(True) if "kpi_fraud_rate_ratio" not in line]
    others["reading"] = "".join(unread).replace(f"{READ}1", f"{READ}0.416")
    others["limiter"] = re.sub(r'(ticketing_client_requests\{.*)window="5m"', r'\1window="1m"', golden())
    with board(tmp_path_factory.mktemp("reasons"), [golden()], others=others) as running:
        wait_for(running, "count(ticketing:kpi_revenue_per_hour_usd:max offset 2s) == 5")
        wait_for(running, "count(count by (platform) (ticketing:platform:absent)) == 2")
        yield running


def whys(prometheus: Prometheus, platform: str) -> dict[str, str]:
    """What the titles end with, where that is anything."""
    found = {}
    for variable in (each for each in dashboard("ticketing")["templating"]["list"] if each["hide"] == 2):
        query = re.fullmatch(r"query_result\((.*)\)", variable["query"]["query"])
        pattern = re.fullmatch("/(.*)/", variable["regex"])
        assert query
        assert pattern
        ((labels, _),) = prometheus.query(query[1].replace("$platform", platform))
        text = "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
        (why,) = re.findall(pattern[1], text)
        found[variable["name"].removeprefix("why_")] = why
    return {name: why for name, why in found.items() if why.strip()}


def shown(prometheus: Prometheus, platform: str, number: int) -> list[dict[str, str]]:
    """The labels of all that a panel is answered."""
    asked = [each for each in queries(sql=False) if (each.uid, each.number) == ("ticketing", number)]
    return [labels for query in asked for labels, _ in answer(prometheus.url, query, {"platform": [platform]})]


def test_each_is_a_part_of_a_platform_and_in_a_title() -> None:
    names = {name for each in NAMES.values() for name in each}
    assert {*SECTIONS, *PARTS.values()} <= names
    titles = " ".join(panel["title"] for panel in dashboard("ticketing")["panels"])
    assert {f"why_{variable.name}" for variable in VARIABLES} == set(re.findall(r"\$\{(\w+)\}", titles))


def test_nothing_of_a_platform_that_has_everything(prometheus: Prometheus) -> None:
    assert whys(prometheus, "main") == {}
    for number in (111, 121, 131, 141, 202, 203, 204, 303, 402, 604):
        assert HERE not in str(shown(prometheus, "main", number))


def test_the_busiest_of_a_minute_say_so(prometheus: Prometheus) -> None:
    of_five, of_one = (shown(prometheus, name, 302) for name in ("main", "limiter"))
    assert len(of_five) == 5
    assert [labels["client"] for labels in of_one] == [labels["client"] for labels in of_five]
    assert {labels.get("since") for labels in of_five} == {None}
    assert {labels["since"] for labels in of_one} == {" in 1 min"}


def test_titles_say_what_is_not_here(prometheus: Prometheus) -> None:
    here = f" · {HERE}"
    assert whys(prometheus, "model") == dict.fromkeys(["fraud", "model", "fraud_predictions", "labels", "drift"], here)
    assert whys(prometheus, "limits") == dict.fromkeys(["clients", "rate_limits", "labels", "drift"], here)


def test_history_that_is_being_read(prometheus: Prometheus) -> None:
    assert whys(prometheus, "reading") == {"fraud": f" · {READING}, 41% is read"}
    assert status(prometheus, "reading", 121) == -3
    assert status(prometheus, "reading", 111) == 2


def status(prometheus: Prometheus, platform: str, number: int) -> float:
    (query,) = (each for each in queries(sql=False) if (each.uid, each.number, each.ref) == ("ticketing", number, "C"))
    ((_, value),) = answer(prometheus.url, query, {"platform": [platform]})
    return value


def test_cards_say_it_in_place_of_change_aim_and_verdict(prometheus: Prometheus) -> None:
    for number in (121, 131):
        assert status(prometheus, "model", number) == -2
        assert len(shown(prometheus, "model", number)) == 1
    assert status(prometheus, "model", 111) == 2
    (mapping,) = next(
        entry["value"]
        for panel in panels("ticketing")
        if panel["id"] == 121
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == "Status"
        for entry in override["properties"]
    )
    assert mapping["options"]["-2"]["text"] == HERE
    assert mapping["options"]["-3"]["text"] == READING


@pytest.mark.parametrize(
    ("platform", "number", "reasons"),
    [
        ("model", 202, 1),
        ("model", 203, 2),
        ("model", 204, 1),
        ("model", 402, 1),
        ("limits", 303, 1),
        ("limits", 402, 1),
        ("limits", 604, 1),
    ],
)
def test_values_give_way_to_it(prometheus: Prometheus, platform: str, number: int, reasons: int) -> None:
    answers = shown(prometheus, platform, number)
    assert [HERE in labels.get("reason", "") for labels in answers] == [True] * reasons


def test_what_is_not_here_is_as_live_as_the_rest(prometheus: Prometheus) -> None:
    (query,) = (each for each in queries(sql=False) if (each.uid, each.number) == ("ticketing", 4))
    # The times of the golden exposition are long past.
    assert [value for _, value in answer(prometheus.url, query, {"platform": ["model"]})] == [2]
