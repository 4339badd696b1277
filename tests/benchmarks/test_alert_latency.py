"""What bounds the latency of an alert is read from the shipped files."""

import pytest

from benchmarks.alert_latency.settings import Settings, shipped


def test_bounds_at_the_shipped_settings() -> None:
    attack = shipped("UnauthorizedAdminAccess", "responder", "critical")
    assert attack == Settings(probe=0, scrape=1, evaluation=0.25, pending=0, group_wait=0)
    assert (attack.bound, attack.sum) == (1.25, "scrape 1 + evaluation 0.25 + group_wait 0")
    outage = shipped("ServiceDown", "pagerduty", "high", probe=5)
    assert (outage.bound, outage.sum) == (80, "probe 5 + scrape 5 + evaluation 5 + for 60 + group_wait 5")


def test_an_alert_that_is_not_shipped_is_an_error() -> None:
    with pytest.raises(LookupError, match="no alert Nonsense"):
        shipped("Nonsense", "responder", "critical")
