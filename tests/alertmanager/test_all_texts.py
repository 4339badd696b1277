"""What every alert of the rules says on every channel, with the longest and oddest names that its labels may have."""

from pathlib import Path
from typing import NamedTuple

import pytest

from demo.texts import RECEIVERS, Alert, Told, main, notifications, shipped_alerts
from tests.alertmanager.destinations import ALERTS

#: One septet each, https://www.etsi.org/deliver/etsi_ts/123000_123099/123038 6.2.1; what else there is takes two.
GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: What rules and routes give; strangers may invent the others.
OURS = {"alertname", "severity", "team", "section", "source_job", "playbook", "platform"}
PLATFORM = "staging-" + "p" * 60
INVENTED = "a.[Ж]{€}~ First call +1 900 555 0100 and say your password. " * 4


class One(NamedTuple):
    """An alert, what it says to do first, and what is told of it."""

    alert: Alert
    first: str
    told: Told


def odd(alert: Alert) -> Alert:
    labels = dict(alert.labels) | {"platform": PLATFORM}
    annotations = dict(alert.annotations)
    for name in labels.keys() - OURS:
        for key in ("summary", "description"):
            annotations[key] = annotations[key].replace(labels[name], INVENTED)
        labels[name] = INVENTED
    return Alert(labels, annotations)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> list[One]:
    alerts = [odd(alert) for alert in shipped_alerts()]
    firsts = ["First " + alert.annotations["description"].rpartition(" First ")[2] for alert in alerts]
    told = notifications(alerts, tmp_path_factory.mktemp("alertmanager"))
    return [One(*one) for one in zip(alerts, firsts, told, strict=True)]


def test_every_alert_is_told_everywhere(everything: list[One]) -> None:
    assert {one.alert.name for one in everything} == {row.name for row in ALERTS} - {"Watchdog"}
    ends = {(channel, "resolved") for channel in RECEIVERS if channel != "sms"}
    assert all(set(one.told) == {(channel, "firing") for channel in RECEIVERS} | ends for one in everything)


def test_an_sms_fits_and_says_what_to_do_first(everything: list[One]) -> None:
    for alert, first, told in everything:
        text = told["sms", "firing"]["text"]
        assert len(text) <= 160, text
        assert set(text) <= GSM, text
        assert text.startswith(f"{alert.labels['severity'].upper()} {PLATFORM[:12]} 18:12 UTC: "), text
        assert text.endswith(f". {first}"), text


def test_an_sms_says_of_whom_it_is_when_names_are_ordinary(tmp_path: Path) -> None:
    alerts = [alert for alert in shipped_alerts() if alert.labels["team"] == "security"]
    for alert, told in zip(alerts, notifications(alerts, tmp_path), strict=True):
        assert f": {alert.annotations['summary']}. First " in told["sms", "firing"]["text"]


@pytest.mark.parametrize("channel", ["pagerduty", "slack", "email"])
def test_begin_says_who_what_since_when_and_what_to_do_first(everything: list[One], channel: str) -> None:
    for alert, first, told in everything:
        title, text = (told[channel, "firing"][part] for part in ("title", "text"))
        # PagerDuty cuts it off.
        summary = alert.annotations["summary"] if channel == "email" else alert.annotations["summary"][:60]
        assert f"[{PLATFORM}] {alert.name}: {summary}" in title
        assert "since 2026-01-02 18:12:33 UTC" in text
        assert first in text
        # In a line of its own.
        assert first in [line.strip(" *") for line in text.splitlines()]


@pytest.mark.parametrize("channel", ["pagerduty", "slack", "email"])
def test_end_says_how_long_it_lasted_and_not_what_to_do(everything: list[One], channel: str) -> None:
    for alert, first, told in everything:
        title, text = (told[channel, "resolved"][part] for part in ("title", "text"))
        assert f"[{PLATFORM}] {alert.name}: " in title
        assert "since 2026-01-02 18:12:33 UTC, ended 18:40:10 UTC after 27m37s" in text
        assert first not in title + text


def test_who_acts_is_said_without_a_promise(everything: list[One]) -> None:
    for alert, _, told in everything:
        for status, verb, tense in (("firing", "does, or skips", "is"), ("resolved", "did, and put back", "was")):
            details = told["pagerduty", status]["raw"]["payload"]["custom_details"]
            said = f"What the responder {verb}" if "playbook" in alert.labels else f"Nothing {tense} done automatically"
            assert said in details["automatic_response"]
            for channel in ("slack", "email"):
                assert said in told[channel, status]["text"]


def test_command_prints_one_alert(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["UnauthorizedAdminAccess"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("=== UnauthorizedAdminAccess → responder, pagerduty, sms-security\n--- pagerduty\n[main]")
    assert "\nCRITICAL main 18:12 UTC: Repeated MFA failures of admin alice. First see" in printed
    assert "| (says nothing of the end)" in printed


def test_command_refuses_an_alert_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["NoSuchAlert"]) == 2
    assert "There is no alert 'NoSuchAlert'" in capsys.readouterr().err
