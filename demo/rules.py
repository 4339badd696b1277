"""The demo's copy of the alert rules: the same conditions, told sooner. The shipped rules stay as they are.

A rule that waits for ten minutes, over a window of ten minutes, is right for a pager and too slow to watch. In the
copy the alerts of `HASTENED` wait at most `WAIT`; those of `WINDOWS` look at what happened within `WINDOW` in place of
the five or ten minutes over which the exporter counts. All other rules are copied unchanged: they guard against
silence, and how long they wait follows from how often things are scraped.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

SHIPPED_RULES = Path(__file__).parents[1] / "prometheus" / "rules"

#: The longest `for` and `keep_firing_for` of a hastened alert, and its window, in seconds.
WAIT, WINDOW = 30, 60

#: What the incidents raise that waits, or looks back, for minutes.
HASTENED = (
    "ApiLatencyDegradation",
    "ClientNearLimit",
    "FraudRateSpike",
    "ModelDrift",
    "PredictionsStalled",
    "RateLimitNearGlobal",
    "RevenueLow",
    "ServiceSlow",
    "UnauthorizedAdminAccess",
)

#: Expressions over `{window}` seconds; `{shipped}` is the rule's own. A pair of exporters counts the same rows.
WINDOWS: Mapping[str, str] = {
    # The counters, in place of the 10-minute window. Still at least 100 predictions, so only a flood can fire it.
    "FraudRateSpike": """\
max by (platform) (increase(ticketing_fraud_predictions_total{{decision="BLOCKED"}}[{window}s]))
/ (
  sum by (platform) (max by (platform, decision) (increase(ticketing_fraud_predictions_total[{window}s]))) >= 100
)
> on (platform) group_left () ticketing:limit:by_platform{{limit="fraud_blocked_ratio_high"}}""",
    # Two windows without one prediction, where chance cannot do that among so many sales; else as shipped. The values
    # of now and then are compared: a counter that is not scraped any more does not stand still.
    "PredictionsStalled": """\
(
  sum by (platform) (
    max by (platform, decision) (
      ticketing_fraud_predictions_total - ticketing_fraud_predictions_total offset {two_windows}s
    )
  ) == 0
  and on (platform) max by (platform) (last_over_time(ticketing_kpi_transactions_per_hour[1m])) >= 500
)
or ({shipped})""",
    # An attack is over when for one window the count has not grown, and not when the last attempt is five minutes old.
    # One that lasts longer does not let it grow any more: then the counter tells of new attempts.
    "UnauthorizedAdminAccess": """\
({shipped})
unless on (platform, account) (
  max by (platform, account) (last_over_time(ticketing_admin_mfa_failures{{window="5m"}}[5s]))
  <= max by (platform, account) (max_over_time(ticketing_admin_mfa_failures{{window="5m"}}[5m] offset {window}s))
  unless on (platform) (
    sum by (platform) (increase(ticketing_security_events_total{{event_type="mfa_failed"}}[{window}s])) > 0
  )
)""",
}

NOTE = "(The demo tells this sooner than the shipped rule, whose times these are.)"

_UNITS = {"s": 1, "m": 60, "h": 3600}


def write_rules(target: Path, alerts: Collection[str] = HASTENED, wait: int = WAIT, window: int = WINDOW) -> None:
    """Write the copy, a file for each shipped one.

    Args:
        target: Directory; made when missing.
        alerts: Names of those that are hastened.
        wait: See `WAIT`.
        window: See `WINDOW`.

    Raises:
        KeyError: A rule that is to be hastened is not shipped any more.
    """
    target.mkdir(parents=True, exist_ok=True)
    found = set()
    for path in sorted(SHIPPED_RULES.glob("*.yml")):
        content: dict[str, Any] = yaml.safe_load(path.read_text())
        for rule in (rule for group in content["groups"] for rule in group["rules"]):
            if rule.get("alert") in alerts:
                hasten(rule, wait, window)
                found.add(rule["alert"])
        (target / path.name).write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120))
    if missing := {*alerts} - found:
        raise KeyError(f"{SHIPPED_RULES} has no alert {', '.join(sorted(missing))}")


def hasten(rule: dict[str, Any], wait: int, window: int) -> None:
    """Shorten the times of a parsed alert, in place; see `write_rules`."""
    for name in ("for", "keep_firing_for"):
        if name in rule:
            rule[name] = f"{min(seconds(rule[name]), wait)}s"
    if template := WINDOWS.get(rule["alert"]):
        rule["expr"] = template.format(shipped=rule["expr"], window=window, two_windows=2 * window)
    rule["annotations"]["description"] += f" {NOTE}"


def seconds(duration: str) -> int:
    """A duration of one number and unit, such as 10m, in seconds."""
    return int(duration[:-1]) * _UNITS[duration[-1]]
