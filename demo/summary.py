"""One screen of live values, read from Prometheus as a dashboard would."""

from collections.abc import Callable, Iterator

from testbed.servers.prometheus import Prometheus

WIDTH = 78

Format = Callable[[float], str]


def count(value: float) -> str:
    """1,247."""
    return f"{value:,.0f}"


def usd(value: float) -> str:
    """$15,320."""
    return f"${value:,.0f}"


def percent(value: float) -> str:
    """1.85 %."""
    return f"{100 * value:.2f} %"


def milliseconds(value: float) -> str:
    """45.2 ms, from seconds."""
    return f"{1000 * value:.1f} ms"


def ratio(value: float) -> str:
    """0.615."""
    return f"{value:.3f}"


def relative(value: float) -> str:
    """+12.0 %, from 0.12."""
    return f"{100 * value:+.1f} %"


def points(value: float) -> str:
    """-0.3 points, from a difference of ratios."""
    return f"{100 * value:+.1f} points"


def slower(value: float) -> str:
    """+5.0 ms, from a difference of seconds."""
    return f"{1000 * value:+.1f} ms"


#: Name, metric and its format; the change against one hour ago, as the dashboard has it, and its format.
KPIS: tuple[tuple[str, str, Format, str, Format], ...] = (
    ("transactions per hour", "ticketing_kpi_transactions_per_hour", count, "{0} / ({0} offset 1h) - 1", relative),
    ("fraud rate", "ticketing_kpi_fraud_rate_ratio", percent, "{0} - {0} offset 1h", points),
    (
        "API latency p95",
        "ticketing_kpi_api_latency_p95_seconds",
        milliseconds,
        "{0} - {0} offset 1h",
        slower,
    ),
    ("revenue per hour", "ticketing_kpi_revenue_per_hour_usd", usd, "{0} / ({0} offset 1h) - 1", relative),
)

CONFUSION = 'ticketing_model_predictions{{predicted="{predicted}",actual="{actual}",window="24h"}}'
FRAUD_CAUGHT = CONFUSION.format(predicted="fraud", actual="fraud")
FALSE_ALARMS = CONFUSION.format(predicted="fraud", actual="legit")
FRAUD_MISSED = CONFUSION.format(predicted="legit", actual="fraud")
LEGITIMATE = CONFUSION.format(predicted="legit", actual="legit")


def summary(prometheus: Prometheus) -> str:
    """The lines of the screen; a value that Prometheus does not have is a dash.

    Raises:
        requests.RequestException: Prometheus does not answer.
    """
    screen = _Screen(prometheus)
    sections: tuple[tuple[str, Callable[[_Screen], Iterator[str]]], ...] = (
        ("KPIs (change against 1 h ago)", _kpis),
        ("Fraud", _fraud),
        ("Traffic", _traffic),
        ("Model", _model),
        ("Health", _health),
        ("Security", _security),
    )
    lines: list[str] = []
    for title, rows in sections:
        lines.append(f"── {title} ".ljust(WIDTH, "─"))
        lines.extend(rows(screen))
    return "\n".join(lines)


class _Screen:
    """Asks Prometheus and formats."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus

    def value(self, promql: str, form: Format) -> str:
        """The first value, or a dash."""
        result = self._prometheus.query(promql)
        return form(result[0][1]) if result else "–"

    def by(self, label: str, promql: str, form: Format = count) -> str:
        """All values, each after the value of one label; of a pair of exporters the larger."""
        result = self._prometheus.query(f"max by ({label}) ({promql})")
        largest_first = sorted(result, key=lambda series: -series[1])
        return "  ".join(f"{labels.get(label, '?')} {form(value)}" for labels, value in largest_first) or "–"


def _row(name: str, value: str, more: str = "") -> str:
    return f"  {name:<26}{value:<16}{more}".rstrip()


def _kpis(screen: _Screen) -> Iterator[str]:
    for name, metric, form, change, change_form in KPIS:
        yield _row(name, screen.value(metric, form), screen.value(change.format(metric), change_form))


def _fraud(screen: _Screen) -> Iterator[str]:
    yield _row("decisions, 1 h", screen.by("decision", 'ticketing_fraud_predictions{window="1h"}'))
    blocked = screen.by("window", "ticketing_fraud_blocked_ratio", percent)
    thresholds = screen.by("threshold", "ticketing_fraud_threshold_ratio", lambda value: f"{value:.2f}")
    yield _row("blocked", blocked)
    yield _row("thresholds", thresholds)


def _traffic(screen: _Screen) -> Iterator[str]:
    limit = screen.value('ticketing_rate_limit_requests_per_minute{scope="global"}', count)
    yield _row("requests per minute", screen.value("ticketing_api_requests_per_minute", count), f"limit {limit}")
    yield _row("top clients, 5 min", screen.by("client", "topk(3, max by (client) (ticketing_client_requests))"))
    yield _row("rate-limited clients", screen.value("ticketing_rate_limited_clients", count))


def _model(screen: _Screen) -> Iterator[str]:
    caught, alarms = screen.value(FRAUD_CAUGHT, count), screen.value(FALSE_ALARMS, count)
    missed, legitimate = screen.value(FRAUD_MISSED, count), screen.value(LEGITIMATE, count)
    yield _row("labelled, 24 h", f"fraud: {caught} caught, {missed} missed")
    yield _row("", f"legitimate: {legitimate} passed, {alarms} blocked")
    # The label that tells the terms apart must go before they are added.
    terms = "sum without (predicted, actual)({}) / sum without (predicted, actual)({})"
    precision = terms.format(FRAUD_CAUGHT, 'ticketing_model_predictions{predicted="fraud",window="24h"}')
    recall = terms.format(FRAUD_CAUGHT, 'ticketing_model_predictions{actual="fraud",window="24h"}')
    baseline = 'ticketing_model_baseline_ratio{{metric="{}"}}'
    for name, expression in (("precision", precision), ("recall", recall)):
        known = screen.value(baseline.format(name), ratio)
        yield _row(name, screen.value(expression, ratio), f"baseline {known}")
    drift = screen.by(
        "feature", "topk(1, max by (feature) (ticketing_model_feature_drift_nats))", lambda value: f"{value:.4f} nats"
    )
    yield _row("largest drift", drift)


def _health(screen: _Screen) -> Iterator[str]:
    up = screen.by("probe", "ticketing_probe_success", lambda value: "up" if value else "DOWN")
    names = up.split("  ")
    for first in range(0, len(names), 3):
        yield _row("probes" if first == 0 else "", "  ".join(names[first : first + 3]))
    collectors = screen.by("collector", "ticketing_exporter_collector_success", lambda v: "ok" if v else "FAILS")
    names = collectors.split("  ")
    for first in range(0, len(names), 6):
        yield _row("collectors" if first == 0 else "", "  ".join(names[first : first + 6]))


def _security(screen: _Screen) -> Iterator[str]:
    yield _row("events, 15 min", screen.by("severity", "ticketing_security_events"))
