"""What goes wrong on a platform, each in three strengths, and how loudly it has to be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.alert_quality.conditions import ADMINS, COLLECTORS, HOUR, PROBES, Conditions

#: The blueprint's alerts that are about an incident, by the begin of its name. What else it tells meanwhile is chance.
LITERALLY = {
    "blocked-share": {"FraudRateSpike", "FraudRate"},
    "bot-swarm": {"FraudRateSpike", "FraudRate"},
    "card-testing": {"FraudRateSpike", "FraudRate"},
    "model-lets-pass": {"FraudRate"},
    "api-slow": {"ApiLatencyDegradation"},
    "few-sales": {"TransactionsLow"},
    "payment-down": {"TransactionsLow"},
    "launch": {"RevenueLow"},
    "second-factor": {"UnauthorizedAdminAccess"},
    "drift": {"ModelDrift"},
    "dashboard-down": {"DashboardDown"},
}
STRENGTHS = ("weak", "medium", "strong")
PAGE, MESSAGE = ("critical", "high"), ("critical", "high", "medium", "low")

Change = Callable[[Conditions, float], None]


@dataclass(frozen=True)
class Incident:
    """One kind of trouble.

    Attributes:
        name: of it.
        what: happens, for people; `{}` stands for the strength's number.
        strengths: weak, medium, strong.
        change: makes a healthy platform so, from the first second that is seen plus `BEGIN` on.
        wanted: severities of which one has to be told: a page, or at least a message.
        hour: of the day, UTC, at which it begins.
        minutes: how long it lasts, and is waited for.
    """

    name: str
    what: str
    strengths: tuple[float, float, float]
    change: Change
    wanted: Sequence[str] = PAGE
    hour: float = 14.0
    minutes: int = 60

    def literal(self) -> set[str]:
        """The blueprint's alerts that are about it."""
        return next((alerts for begin, alerts in LITERALLY.items() if self.name.startswith(begin)), set())


#: Seconds that are seen before it begins; what fires before is not told because of it.
BEGIN = 1800


def _on(c: Conditions, until: float | None = None) -> np.typing.NDArray[np.bool_]:
    return c.since(BEGIN, None if until is None else BEGIN + until)


def _flaps(c: Conditions, bad: float, each: float) -> np.typing.NDArray[np.bool_]:
    """For so many seconds of each so many."""
    since = c.seconds - c.before * c.step - BEGIN
    return (since >= 0) & (since % each < bad)


def _blocked_share(c: Conditions, share: float) -> None:
    c.blocked[_on(c)] = share


def _swarm(c: Conditions, times: float) -> None:
    """Bots besides the ordinary sales; of what they try 70 % is blocked."""
    bots = c.predictions * (times - 1)
    on = _on(c)
    share = (c.predictions * c.blocked + bots * 0.7) / (c.predictions + bots)
    c.blocked[on], c.predictions[on] = share[on], (c.predictions + bots)[on]
    c.requests[on] *= times


def _share_flaps(c: Conditions, share: float) -> None:
    c.blocked[_flaps(c, 60, 120)] = share


def _card_testing(c: Conditions, an_hour: float) -> None:
    on = _on(c)
    more = np.full(c.steps, an_hour)
    share = (c.predictions * c.blocked + more * 0.9) / (c.predictions + more)
    c.blocked[on], c.predictions[on] = share[on], (c.predictions + more)[on]


def _model_lets_pass(c: Conditions, share: float) -> None:
    c.blocked[_on(c)] = share


def _nothing_predicted(c: Conditions, left: float) -> None:
    c.predictions[_on(c)] *= left


def _slow_api(c: Conditions, times: float) -> None:
    c.latency[_on(c)] *= times


def _slow_share(c: Conditions, share: float) -> None:
    c.slow[_on(c)] = share


def _latency_flaps(c: Conditions, times: float) -> None:
    c.latency[_flaps(c, 270, 300)] *= times


def _latency_key_missing(c: Conditions, times: float) -> None:
    c.latency[_on(c)] *= times
    c.hidden["ticketing_kpi_api_latency_p95_seconds"] = _flaps(c, 70, 300)


def _few_sales(c: Conditions, left: float) -> None:
    on = _on(c)
    c.transactions[on] *= left
    c.predictions[on] *= left


def _no_payment(c: Conditions, left: float) -> None:
    c.transactions[_on(c)] *= left


def _launch(c: Conditions, left: float) -> None:
    """An on-sale that sells a part of what is usual in an hour."""
    on = _on(c, 2 * HOUR)
    c.launch[on] = True
    c.transactions[on], c.predictions[on] = c.per_hour * left, c.per_hour * 2


def _launch_flag_flaps(c: Conditions, left: float) -> None:
    _launch(c, left)
    c.hidden["ticketing_event_launch_active"] = _flaps(c, c.step, 540)


def _probe(probe: str, chance: float) -> Change:
    def change(c: Conditions, strength: float) -> None:
        c.fails[probe][_on(c)] = strength * chance

    return change


def _probe_flaps(c: Conditions, bad: float) -> None:
    c.fails["ml_inference"][_flaps(c, bad, 90)] = 1.0


def _probe_slow(c: Conditions, times: float) -> None:
    c.takes["smart_contract_rpc"][_on(c)] = times


def _probe_slow_and_failing(c: Conditions, times: float) -> None:
    c.takes["backend_api"][_on(c)] = times
    c.fails["backend_api"][_flaps(c, c.step, 150)] = 1.0


def _several_down(c: Conditions, count: float) -> None:
    for probe in list(PROBES)[: int(count)]:
        c.fails[probe][_on(c)] = 1.0


def _second_factor(c: Conditions, failures: float) -> None:
    began = c.before * c.step + BEGIN
    c.mfa += [(began + 20.0 * n, ADMINS[7]) for n in range(int(failures))]


def _spray(c: Conditions, accounts: float) -> None:
    began = c.before * c.step + BEGIN
    c.mfa += [(began + 7.0 * n + 30 * k, ADMINS[n + 7]) for n in range(int(accounts)) for k in range(2)]


def _password_spray(c: Conditions, accounts: float) -> None:
    began = c.before * c.step + BEGIN
    c.logins += [(began + 200.0 / accounts * n, ADMINS[n + 7]) for n in range(int(accounts))]


def _slow_guesser(c: Conditions, each: float) -> None:
    """Two tries in each so many seconds, for a day."""
    began = c.before * c.step + BEGIN
    c.mfa += [(began + each * n + 40.0 * k, ADMINS[7]) for n in range(int(24 * HOUR / each)) for k in range(2)]


def _passwords(c: Conditions, failures: float) -> None:
    began = c.before * c.step + BEGIN
    c.logins += [(began + 250.0 / failures * n, ADMINS[8]) for n in range(int(failures))]


def _drift(c: Conditions, nats: float) -> None:
    since = np.clip((c.seconds - c.before * c.step - BEGIN) / (2 * HOUR), 0, 1)
    c.drift["price_deviation_ratio"] += since * (nats - 0.035)


def _precision(c: Conditions, left: float) -> None:
    c.precision[_on(c)] *= left


def _flood(c: Conditions, share: float) -> None:
    c.requests[_on(c)] = share * c.request_limit


def _flood_in_turn(c: Conditions, share: float) -> None:
    c.requests[_on(c)] = (share - 0.04) * c.request_limit
    c.requests[_flaps(c, 60, 120)] = share * c.request_limit


def _client(c: Conditions, requests: float) -> None:
    c.top_client[_on(c)] = requests


def _collector_fails(c: Conditions, of_twelve: float) -> None:
    c.succeeds["fraud"][_flaps(c, of_twelve * c.step, 12 * c.step)] = False


def _exporter_away(c: Conditions, seconds: float) -> None:
    for job in set(COLLECTORS.values()):
        c.up[job][_on(c, seconds)] = False


def _exporter_flaps(c: Conditions, of_ten: float) -> None:
    # A scrape of each step: of ten so many fail, spread over them.
    away = _on(c) & ((np.arange(c.steps) * int(of_ten)) % 10 < of_ten)
    for job in set(COLLECTORS.values()):
        c.up[job][away] = False


def _kpis_old(c: Conditions, minutes: float) -> None:
    del minutes
    c.kpi_frozen = int(np.argmax(_on(c)))


def _kpi_missing(c: Conditions, seconds: float) -> None:
    c.hidden["ticketing_kpi_transactions_per_hour"] = _flaps(c, seconds, 300)


def _clock(c: Conditions, seconds: float) -> None:
    label = 'ticketing_source_clock_skew_seconds{source="postgresql"}'
    c.set[label] = np.where(_on(c), seconds, np.nan)


def _replica(c: Conditions, seconds: float) -> None:
    c.set['ticketing_source_lag_seconds{source="postgresql"}'] = np.where(_on(c), seconds, np.nan)


def _responder(c: Conditions, seconds: float) -> None:
    c.up["responder"][_on(c, seconds)] = False


def _grafana(c: Conditions, of_ten: float) -> None:
    c.up["grafana"][_on(c) & (np.arange(c.steps) % 10 < of_ten)] = False


def _action_failed(c: Conditions, actions: float) -> None:
    """While the responder was not scraped for two minutes."""
    label = 'ticketing_responder_actions{action="notify",state="failed"}'
    c.set[label] = np.where(_on(c), actions, np.nan)
    c.up["responder"][_on(c, 120)] = False


INCIDENTS = (
    Incident("blocked-share", "{:.0%} of all predictions are blocked", (0.05, 0.08, 0.2), _blocked_share),
    Incident("blocked-share-at-night", "{:.0%} blocked at 4 o'clock", (0.1, 0.25, 0.5), _blocked_share, hour=4),
    Incident("blocked-share-flaps", "{:.0%} blocked in every other minute", (0.08, 0.15, 0.3), _share_flaps),
    Incident("bot-swarm", "bots, {:g} times the usual predictions", (1.1, 1.5, 4), _swarm),
    Incident("card-testing", "{:g} tries an hour with stolen cards", (60, 150, 600), _card_testing),
    Incident(
        "model-lets-pass",
        "{:.1%} blocked: the model has stopped to see fraud",
        (0.002, 0.001, 0.0),
        _model_lets_pass,
        MESSAGE,
        minutes=180,
    ),
    Incident("no-predictions", "{:.0%} of the predictions are left", (0.02, 0.005, 0.0), _nothing_predicted, hour=18.5),
    Incident("api-slow", "latency is {:g} times the usual", (2.6, 4, 12), _slow_api, MESSAGE),
    Incident("api-slow-for-some", "{:.0%} of requests take 0.35 s", (0.06, 0.12, 0.4), _slow_share, MESSAGE),
    Incident("api-slow-on-and-off", "{:g} times slower, 4.5 minutes of 5", (2.6, 4, 10), _latency_flaps, MESSAGE),
    Incident(
        "api-slow-key-missing", "{:g} times slower, the key at times gone", (3, 6, 12), _latency_key_missing, MESSAGE
    ),
    Incident("few-sales", "{:.0%} of the usual sales in peak hours", (0.25, 0.1, 0.0), _few_sales, MESSAGE, 18.5, 120),
    Incident("payment-down", "{:.0%} of predictions become sales", (0.25, 0.1, 0.0), _no_payment, MESSAGE, 18.5, 120),
    Incident(
        "launch-sells-nothing",
        "an on-sale sells {:.0%} of an hour",
        (0.2, 0.05, 0.0),
        _launch,
        hour=10,
        minutes=90,
    ),
    Incident(
        "launch-flag-flaps",
        "an on-sale sells {:.0%}, its flag missing at times",
        (0.2, 0.05, 0.0),
        _launch_flag_flaps,
        hour=10,
        minutes=90,
    ),
    Incident("service-down", "{:.0%} of ML inference's probes fail", (0.9, 0.97, 1.0), _probe("ml_inference", 1.0)),
    Incident("service-flaps", "down {:g} s of each 90", (30, 45, 75), _probe_flaps),
    Incident("services-down", "{:g} services are down", (1, 2, 6), _several_down),
    Incident("rpc-slow", "RPC takes {:g} times its baseline", (2.5, 4.25, 15), _probe_slow, MESSAGE),
    Incident("backend-slow", "{:g} times slower, some probes fail", (2.6, 5, 10), _probe_slow_and_failing, MESSAGE),
    Incident("second-factor", "{:g} failed second factors of one admin", (3, 5, 20), _second_factor, minutes=20),
    Incident("second-factor-spray", "two failed second factors of {:g} admins", (10, 20, 30), _spray, minutes=30),
    Incident(
        "second-factor-slow", "two tries each {:g} s all day", (900, 600, 300), _slow_guesser, MESSAGE, minutes=480
    ),
    Incident(
        "password-spray", "one password on {:g} admins from one address", (5, 12, 30), _password_spray, minutes=20
    ),
    Incident("password-guessed", "{:g} failed sign-ins of one admin", (5, 12, 60), _passwords, minutes=20),
    Incident("drift", "a feature drifts by {:g} nats", (0.18, 0.3, 0.8), _drift, MESSAGE, minutes=240),
    Incident("precision", "{:.0%} of the precision is left", (0.7, 0.4, 0.0), _precision, MESSAGE, minutes=360),
    Incident("flood", "{:.0%} of the global limit", (0.93, 1.0, 3.0), _flood, MESSAGE),
    Incident("flood-in-turn", "{:.0%} of it every other minute", (0.92, 0.95, 1.2), _flood_in_turn, MESSAGE),
    Incident("greedy-client", "a client sends {:g} of 100 a minute", (95, 105, 500), _client, MESSAGE),
    Incident("collector-fails", "section fraud fails in {:g} of 12 scrapes", (9, 11, 12), _collector_fails),
    Incident("exporter-away", "the exporter is away for {:g} s", (120, 600, 3600), _exporter_away),
    Incident("exporter-flaps", "{:g} of 10 scrapes of the exporter fail", (3, 5, 8), _exporter_flaps, MESSAGE),
    Incident("kpis-old", "the KPIs are not written for an hour", (60, 60, 60), _kpis_old, MESSAGE),
    Incident("kpi-missing", "a KPI is missing for {:g} s of each 300", (75, 150, 300), _kpi_missing, MESSAGE),
    Incident("clock", "the exporter's clock is {:g} s ahead", (2, 20, 240), _clock, MESSAGE),
    Incident("replica-late", "the replica that is read is {:g} s late", (45, 300, 3600), _replica),
    Incident("responder-away", "the responder is away for {:g} s", (120, 600, 3600), _responder),
    Incident("dashboard-down", "{:g} of 10 scrapes of Grafana fail", (8, 9, 10), _grafana),
    Incident("action-failed", "{:g} actions failed while nobody scraped", (1, 2, 5), _action_failed),
)
