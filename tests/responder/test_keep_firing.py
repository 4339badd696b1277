"""Alerts that go on in a real Alertmanager while Prometheus is away, and end when Prometheus says so."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.parts import PROMETHEUS_FLAGS
from responder.keep_firing import LONGEST, RUNNING_OUT, SINCE, TIME_TO_RETURN, UNTIL, Alert, prolonged
from testbed.counterparts.server import CounterpartServer, Reply, Request
from testbed.servers.alertmanager import Alertmanager
from testbed.servers.prometheus import Prometheus
from tests.responder.conftest import Start
from tests.responder.process import wait_until

NOW = datetime(2026, 1, 2, 18, 12, 33, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def alert(name: str = "ServiceDown", *, left: timedelta = SECOND, ago: timedelta = 15 * SECOND) -> Alert:
    """One that ends in `left` and was heard of `ago`."""
    return Alert(
        labels={"alertname": name},
        annotations={"summary": "s"},
        starts_at=NOW - timedelta(hours=2),
        ends_at=NOW + left,
        updated_at=NOW - ago,
    )


def kept(since: str, until: str) -> Alert:
    """One that nobody has confirmed for some time."""
    return msgspec.structs.replace(alert(), annotations={SINCE: since, UNTIL: until})


WATCHED = alert("Watchdog", left=18 * SECOND, ago=2 * SECOND)


@pytest.mark.parametrize("others", [[], [WATCHED], [alert("Watchdog")]], ids=["no watchdog", "watched", "unwatched"])
def test_what_prometheus_does_not_confirm_is_kept(others: Sequence[Alert]) -> None:
    (longer,) = prolonged([alert(), *others], NOW)
    assert longer.labels == {"alertname": "ServiceDown"}
    assert longer.annotations == {
        "summary": "s",
        SINCE: "2026-01-02 18:12:18Z",
        UNTIL: f"{NOW + TIME_TO_RETURN - (15 if others == [WATCHED] else 0) * SECOND:%Y-%m-%d %H:%M:%SZ}",
    }
    assert longer.ends_at > NOW + RUNNING_OUT


@pytest.mark.parametrize(
    "fine",
    [
        alert(left=18 * SECOND, ago=2 * SECOND),
        # Prometheus with other delays.
        alert(left=3 * SECOND, ago=1 * SECOND),
        alert(left=200 * SECOND, ago=55 * SECOND),
    ],
)
def test_what_is_confirmed_is_left_alone(fine: Alert) -> None:
    assert prolonged([fine], NOW) == []


def test_a_silent_watchdog_is_never_kept() -> None:
    assert prolonged([alert("Watchdog")], NOW) == []


def untils(alerts: Sequence[Alert]) -> list[datetime]:
    return [datetime.fromisoformat(one.annotations[UNTIL]) for one in prolonged(alerts, NOW)]


def test_after_the_return_each_alert_has_time_to_be_sent_again() -> None:
    back = kept(str(NOW - 30 * MINUTE), str(NOW + SECOND))
    assert untils([back, WATCHED]) == [NOW + SECOND]
    over = kept(str(NOW - 30 * MINUTE), str(NOW - SECOND))
    assert prolonged([over, WATCHED], NOW) == []
    # It is gone again before that.
    assert untils([over]) == [NOW + TIME_TO_RETURN]


def test_nothing_is_kept_for_ever() -> None:
    assert prolonged([kept(str(NOW - LONGEST + MINUTE), str(NOW))], NOW)
    assert prolonged([kept(str(NOW - LONGEST), str(NOW))], NOW) == []


@given(st.text(), st.text())
def test_annotations_of_others_do_no_harm(since: str, until: str) -> None:
    (longer,) = prolonged([kept(since, until)], NOW)
    assert longer.annotations[SINCE] == "2026-01-02 18:12:18Z"


@pytest.fixture
def alertmanagers(tmp_path: Path) -> Iterator[list[Alertmanager]]:
    """Two that know nothing of each other."""
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    with Alertmanager(config, tmp_path / "one") as one, Alertmanager(config, tmp_path / "two") as two:
        yield [one, two]


def say(alertmanagers: list[Alertmanager], name: str, lasts: timedelta) -> None:
    """What Prometheus says of an alert; in the past, that it is over."""
    now = datetime.now(UTC)
    content = {"labels": {"alertname": name}, "annotations": {"summary": "s"}}
    for one in alertmanagers:
        one.post([content | {"startsAt": (now - MINUTE).isoformat(), "endsAt": (now + lasts).isoformat()}])


def firing(alertmanagers: list[Alertmanager]) -> list[dict[str, dict[str, Any]]]:
    return [{one["labels"]["alertname"]: one["annotations"] for one in each.alerts()} for each in alertmanagers]


def test_an_outage_of_prometheus_ends_no_alert(alertmanagers: list[Alertmanager], start: Start) -> None:
    # The first one is never reached, and keeps nobody from the others.
    urls = ["http://127.0.0.1:9", *(one.url for one in alertmanagers)]
    responder = start({"alertmanagers": [{"url": url} for url in urls]})
    for name in ("Watchdog", "ServiceDown", "RevenueLow"):
        say(alertmanagers, name, 16 * SECOND)
    # Prometheus is silent from here on.
    wait_until(lambda: all("Watchdog" not in one for one in firing(alertmanagers)), 60, responder.log)
    for one in firing(alertmanagers):
        assert one.keys() == {"ServiceDown", "RevenueLow"}
        assert SINCE in one["ServiceDown"]
    assert "Prometheus does not answer: 2 alerts are kept firing" in responder.log()
    # One that nobody keeps is told of, once.
    assert responder.log().count("alerts cannot be kept firing: GET 127.0.0.1:9: ") == 1

    # It is back: one still holds, the other is over.
    say(alertmanagers, "ServiceDown", 300 * SECOND)
    say(alertmanagers, "RevenueLow", -SECOND)
    assert firing(alertmanagers) == [{"ServiceDown": {"summary": "s"}}] * 2
    wait_until(lambda: "no alert is kept firing" in responder.log(), 30, responder.log)
    assert firing(alertmanagers) == [{"ServiceDown": {"summary": "s"}}] * 2


@dataclass
class Pager:
    """Receives Alertmanager's webhook."""

    told: list[str] = field(default_factory=list)

    def answer(self, request: Request) -> Reply:
        self.told.append(request.json()["status"])
        return Reply(200)


@pytest.mark.slow
@pytest.mark.parametrize("outage", [3, 90], ids=["a restart", "longer than Alertmanager keeps an alert"])
def test_nobody_is_told_that_it_is_over(tmp_path: Path, start: Start, outage: int) -> None:
    pager = Pager()
    rules = tmp_path / "rules.yml"
    rules.write_text(
        "groups:\n- name: rules\n  interval: 1s\n  rules:\n"
        "  - {alert: Watchdog, expr: vector(1)}\n"
        "  - {alert: ServiceDown, for: 30s, expr: 'up{job=\"gone\"} == 0'}\n"
    )
    with ExitStack() as stack:
        url = stack.enter_context(CounterpartServer([pager])).url
        config = tmp_path / "alertmanager.yml"
        config.write_text(
            "route: {receiver: nobody, routes: [{matchers: [alertname=ServiceDown], receiver: pager, group_wait: 0s,"
            " group_interval: 1s}]}\n"
            f"receivers: [{{name: nobody}}, {{name: pager, webhook_configs: [{{url: {url}}}]}}]\n"
        )
        alertmanager = stack.enter_context(Alertmanager(config, tmp_path / "alertmanager"))
        gone = "scrape_configs: [{job_name: gone, scrape_interval: 1s, static_configs: [{targets: ['127.0.0.1:9']}]}]\n"
        prometheus = Prometheus(tmp_path / "prometheus.yml", flags=PROMETHEUS_FLAGS)
        prometheus.config.write_text(
            f"rule_files: [{rules}]\n{gone}alerting: {{alertmanagers: [{{static_configs: [{{targets:"
            f" ['{alertmanager.url.removeprefix('http://')}']}}]}}]}}\n"
        )
        stack.enter_context(prometheus)
        responder = start({"alertmanagers": [{"url": alertmanager.url}], "prometheus": {"url": prometheus.url}})
        wait_until(lambda: pager.told == ["firing"], 90, responder.log)
        prometheus.kill9()
        time.sleep(outage)
        prometheus.start()
        # Its `for` is not over yet when it is back.
        wait_until(lambda: bool(prometheus.query('ALERTS{alertname="ServiceDown",alertstate="firing"}')), 120)
        wait_until(lambda: SINCE not in firing([alertmanager])[0]["ServiceDown"], 60, responder.log)
        assert set(pager.told) == {"firing"}
