"""Through a real Alertmanager into a real inbox: everything arrives, once, where it should and nowhere else."""

import itertools
import time
from collections import Counter
from pathlib import Path

from tests.alertmanager.chain import alert, chain, ended, hasten, wait_until
from tests.alertmanager.destinations import ALERTS, LIVE, OTHERS

# Of what sends nothing when an alert ends.
NO_END = {"sms", "heartbeat"}


def test_each_alert_arrives_once_on_its_channels_and_so_does_its_end(tmp_path: Path) -> None:
    # ExporterDown would mute the others of its job; that is another test's.
    rows = [
        row._replace(labels=row.labels | {"source_job": "another"}) if row.name == "ExporterDown" else row
        for row in (*ALERTS, *OTHERS)
    ]
    firing = {(channel, row.name, "firing") for row in rows for channel in row.channels - {"heartbeat"}}
    resolved = {(channel, name, "resolved") for channel, name, _ in firing if channel not in NO_END}
    alerts = [alert(row.labels) for row in rows]
    with chain(tmp_path, hasten) as it:
        it.alertmanager.post(alerts)
        it.wait_for(firing)
        assert {one["title"] for one in it.inbox.notifications("heartbeat")} == {"Watchdog"}
        time.sleep(1)
        assert it.arrivals() == Counter(firing)

        it.alertmanager.post([ended(one) for one in alerts])
        it.wait_for(resolved)
        beats = len(it.inbox.notifications("heartbeat"))
        time.sleep(4)
        assert it.arrivals() == Counter(firing | resolved)
        assert len(it.inbox.notifications("heartbeat")) == beats


def test_no_platform_hides_in_another(tmp_path: Path) -> None:
    names = ("FraudRateSpike", "ServiceDown", "ModelDrift", "UnauthorizedAdminAccess", "ClientNearLimit")
    rows = [row for row in ALERTS if row.name in names]
    expected = {(channel, row.name, "firing"): 2 for row in rows for channel in row.channels}
    with chain(tmp_path, hasten) as it:
        # At once: in one group they would be one notification.
        it.alertmanager.post([alert(row.labels | {"platform": name}) for row in rows for name in ("main", "staging")])
        wait_until(lambda: it.arrivals() == expected, 10, it.arrivals)
        for channel in {channel for row in rows for channel in row.channels} - {"responder"}:
            told = it.inbox.notifications(channel)
            for name in ("main", "staging"):
                other = "staging" if name == "main" else "main"
                (titles := [one["title"] for one in told if f"[{name}] " in one["title"]])
                assert len(titles) == len(told) / 2, (channel, titles)
                links = " ".join(url for one in told if one["title"] in titles for _, url in one["links"])
                assert f"[{other}]" not in " ".join(titles)
                assert channel == "sms" or f"var-platform={name}" in links
                assert f"var-platform={other}" not in links
        assert len({one["raw"]["dedup_key"] for one in it.inbox.notifications("pagerduty")}) == 6


def test_a_dead_exporter_mutes_nothing_of_another_platform(tmp_path: Path) -> None:
    def labels(name: str, platform: str) -> dict[str, str]:
        return next(row.labels for row in ALERTS if row.name == name) | {"platform": platform}

    with chain(tmp_path, hasten) as it:
        it.alertmanager.post([alert(labels("ExporterDown", "staging"))])
        it.wait_for([("slack", "ExporterDown", "firing")])
        it.alertmanager.post([alert(labels("KpiStale", platform)) for platform in ("main", "staging")])
        it.wait_for([("slack", "KpiStale", "firing")])
        time.sleep(1)
        (told,) = (one for one in it.inbox.notifications("slack") if "KpiStale" in one["title"])
        assert told["title"] == ":large_orange_circle: [MEDIUM] [main] KpiStale: Summary of KpiStale"


def test_second_account_pages_as_fast_as_the_first(tmp_path: Path) -> None:
    row = next(row for row in ALERTS if row.name == "UnauthorizedAdminAccess")
    with chain(tmp_path) as it:
        # In one group with the first, the second would wait for 30 s.
        for number, account in enumerate(("alice", "bob"), 1):
            it.alertmanager.post([alert(row.labels | {"account": account})])
            everywhere = {(channel, row.name, "firing"): number for channel in row.channels}
            wait_until(lambda expected=everywhere: it.arrivals() == expected, 10, it.arrivals)  # type: ignore[misc]
        incidents = {one["raw"]["dedup_key"] for one in it.inbox.notifications("pagerduty")}
        assert len(incidents) == 2


def test_second_account_under_brute_force_is_an_incident_of_its_own(tmp_path: Path) -> None:
    row = next(row for row in ALERTS if row.name == "AdminLoginBruteForce")
    with chain(tmp_path, hasten) as it:
        for account in ("alice", "bob"):
            it.alertmanager.post([alert(row.labels | {"account": account})])
        wait_until(lambda: it.arrivals()[("pagerduty", row.name, "firing")] == 2, 5, it.arrivals)
        assert len({one["raw"]["dedup_key"] for one in it.inbox.notifications("pagerduty")}) == 2


def test_security_unseen_calls_people_while_another_section_fails(tmp_path: Path) -> None:
    row = next(row for row in ALERTS if row.name == "CollectorFailing")
    page = ("pagerduty", row.name, "firing")
    security = row.labels | dict.fromkeys(("team", "section", "collector"), "security")
    with chain(tmp_path, hasten) as it:
        for number, labels in enumerate((row.labels, security), 1):
            it.alertmanager.post([alert(labels)])
            wait_until(lambda expected=number: it.arrivals()[page] == expected, 5, it.arrivals)  # type: ignore[misc]
        assert len({one["raw"]["dedup_key"] for one in it.inbox.notifications("pagerduty")}) == 2


def test_features_that_drift_share_an_email_but_not_a_response(tmp_path: Path) -> None:
    row = next(row for row in ALERTS if row.name == "ModelDrift")
    with chain(tmp_path, hasten) as it:
        it.alertmanager.post([alert(row.labels | {"feature": name}) for name in ("price", "wallet", "hour")])
        expected = {("email", row.name, "firing"): 1, ("responder", row.name, "firing"): 3}
        wait_until(lambda: it.arrivals() == expected, 5, it.arrivals)
        title = it.inbox.notifications("email")[0]["title"]
        assert title == "[MEDIUM] [main] ModelDrift: Summary of ModelDrift, and 2 more"
        time.sleep(1)
        assert it.arrivals() == expected


def test_dead_exporter_is_heard_of_instead_of_its_symptoms(tmp_path: Path) -> None:
    def labels(name: str, **more: str) -> dict[str, str]:
        return next(row.labels for row in ALERTS if row.name == name) | more

    with chain(tmp_path, hasten) as it:
        it.alertmanager.post(
            [
                alert(labels("ExporterDown")),
                alert(labels("KpiStale")),
                alert(labels("TransactionsLow")),
                alert(labels("ServiceDown")),
                alert(labels("FraudRateSpike")),
                alert(labels("UnauthorizedAdminAccess", source_job=LIVE)),
                alert({"alertname": "NoSourceJob", "severity": "medium", "team": "engineering"}),
            ]
        )
        expected = {
            ("pagerduty", "ExporterDown", "firing"),
            ("slack", "ExporterDown", "firing"),
            ("pagerduty", "ServiceDown", "firing"),
            ("slack", "ServiceDown", "firing"),
            ("pagerduty", "FraudRateSpike", "firing"),
            ("responder", "FraudRateSpike", "firing"),
            ("pagerduty", "UnauthorizedAdminAccess", "firing"),
            ("sms", "UnauthorizedAdminAccess", "firing"),
            ("responder", "UnauthorizedAdminAccess", "firing"),
            ("slack", "NoSourceJob", "firing"),
        }
        it.wait_for(expected)
        time.sleep(1)
        assert it.arrivals() == Counter(expected)
        # Symptoms end while they are muted; what pages or has a playbook says so nevertheless.
        ends = ("KpiStale", "FraudRateSpike", "ServiceDown")
        it.alertmanager.post([ended(alert(labels(name))) for name in ends])
        over = {(channel, "FraudRateSpike", "resolved") for channel in ("pagerduty", "responder")}
        over |= {(channel, "ServiceDown", "resolved") for channel in ("pagerduty", "slack")}
        it.wait_for(over)
        assert it.arrivals() == Counter(expected | over)


def test_heartbeat_beats_every_two_group_intervals(tmp_path: Path) -> None:
    row = next(row for row in ALERTS if row.name == "Watchdog")
    with chain(tmp_path, hasten) as it:
        # Two Prometheus servers: each has a beat, so that one of them cannot hide that the other is dead.
        it.alertmanager.post([alert(row.labels | {"replica": name}) for name in ("a", "b")])
        wait_until(lambda: len(it.inbox.notifications("heartbeat")) >= 6, 15)
        beats = it.inbox.notifications("heartbeat")
        for replica in ("a", "b"):
            times = [one["received_at"] for one in beats if one["raw"]["commonLabels"]["replica"] == replica]
            gaps = [later - earlier for later, earlier in itertools.pairwise(times)]
            assert gaps
            # 50 s and 30 s, hastened; a repeat below 30 s would give 1.5 s, one above 60 s 4.5 s.
            assert all(2 < gap < 4.3 for gap in gaps), gaps


def test_a_service_that_fails_more_and_more_is_one_incident(tmp_path: Path) -> None:
    """Somebody is called once, when it began, and not when it is down."""
    by_name = {row.name: row.labels | {"platform": "main", "probe": "redis_cache"} for row in ALERTS}
    burns, down = alert(by_name["ErrorBudgetBurnFast"]), alert(by_name["ServiceDown"])
    another = alert(by_name["ServiceDown"] | {"probe": "postgresql"})
    told: list[str] = []

    def arrived(title: str, status: str) -> bool:
        events = it.inbox.notifications("pagerduty")
        told[:] = [f"{one['status']} {one['title']}" for one in events]
        return any(title in one["title"] and one["status"] == status for one in events)

    with chain(tmp_path, hasten) as it:
        it.alertmanager.post([burns])
        wait_until(lambda: arrived("Summary of ErrorBudgetBurnFast", "firing"), 15, lambda: told)
        it.alertmanager.post([burns, down])
        wait_until(lambda: arrived(", and 1 more", "firing"), 15, lambda: told)
        it.alertmanager.post([ended(burns), down, another])
        wait_until(lambda: arrived("Summary of ServiceDown", "firing"), 15, lambda: told)
        it.alertmanager.post([ended(down), ended(another)])
        wait_until(lambda: arrived("Summary of ServiceDown", "resolved"), 15, lambda: told)
        events = [one["raw"] for one in it.inbox.notifications("pagerduty")]
        mine = {one["dedup_key"] for one in events if "redis_cache" in str(one["payload"]["custom_details"])}
        assert len(mine) == 1
        assert len({one["dedup_key"] for one in events}) == 2
        titles = {one["payload"]["summary"].partition(":")[0] for one in events}
        assert titles == {"[main] ErrorBudgetBurnFast", "[main] ServiceDown"}
