"""What happens on a platform, step by step: a healthy one, which an incident then changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]

HOUR, DAY, WEEK = 3600, 86400, 604800
#: As the simulator: the share of an ordinary day's sales in each hour of UTC, and of a week's on each weekday.
HOURS = np.array(
    [
        *(0.50, 0.38, 0.30, 0.25, 0.23, 0.25, 0.33, 0.45, 0.60, 0.72, 0.82, 0.90),
        *(0.97, 1.00, 1.03, 1.10, 1.30, 1.75, 2.49, 2.45, 2.10, 1.70, 1.35, 0.80),
    ]
)
WEEKDAYS = np.array((0.85, 0.90, 0.95, 1.05, 1.20, 1.15, 0.90))
#: On-sales of a week: weekday (Monday is 0), hour, and how many times the usual it sells at first.
ON_SALES = ((1, 17, 6.0), (3, 9, 8.0), (4, 18, 4.0), (5, 2, 10.0))
ON_SALE_HOURS = 2

BLOCKED, REVIEW = 0.018, 0.012
PRICE, REQUESTS_A_PREDICTION = 10.0, 217.6  # $12,450 at 1,247/h, and 4,523 requests a minute
LATENCY, LATENCY_SPREAD = 0.028, 0.29  # median in seconds, and spread of its logarithm: 45 ms at p95
SLOW, SLOW_SECONDS = 0.004, 0.35  # of honest requests: a cold cache, a collection of garbage
PRECISION, RECALL, LABELLED = 0.67, 0.888, 0.43
PROBES = {
    "backend_api": 0.045,
    "postgresql": 0.002,
    "redis_cache": 0.001,
    "ml_inference": 0.03,
    "smart_contract_rpc": 0.2,
    "siem_collector": 0.015,
}
FEATURES = ("wallet_age_days", "txn_velocity_1h", "price_deviation_ratio", "geo_velocity_flag")
COLLECTORS = {
    "security": "ticketing-critical",
    "kpis": "ticketing-live",
    "fraud": "ticketing-live",
    "traffic": "ticketing-live",
    "health": "ticketing-live",
    "model": "ticketing-aggregates",
}
JOBS = (*dict.fromkeys(COLLECTORS.values()), "responder", "grafana", "node", "prometheus", "alertmanager")
ADMINS = tuple(f"admin-{number:02}" for number in range(40))


@dataclass
class Conditions:
    """A platform's truth; arrays have one value a step, and `before` of them are the past of the first that is seen.

    Attributes:
        per_hour: predictions an hour in the mean of a week.
        start: unix seconds of the first step.
        step: seconds.
        before: steps before the first one that is scraped.
        rng: of everything random.
        predictions, transactions: expected in an hour.
        blocked: true share of predictions.
        price: mean, in USD.
        requests: expected in a minute, of the whole API.
        request_limit: of all clients together in a minute, with room above the busiest healthy one.
        top_client: expected in a minute.
        latency: median, in seconds.
        slow: share of requests that take `SLOW_SECONDS`.
        precision: true.
        launch: whether one is on.
        fails, takes: by probe, the chance that it fails, and times its usual duration.
        drift: by feature, in nats.
        mfa, logins: failures, by second since the start, account.
        succeeds: by collector, whether it does.
        up: by job, whether it answers.
        hidden: by metric, where it is not exported.
        set: by series, a value in place of the healthy one; NaN leaves that.
        kpi_frozen: since which step the KPIs have not been written.
    """

    per_hour: float
    start: int
    step: int
    before: int
    rng: np.random.Generator
    predictions: Floats
    transactions: Floats
    blocked: Floats
    price: Floats
    requests: Floats
    request_limit: float
    top_client: Floats
    latency: Floats
    slow: Floats
    precision: Floats
    launch: NDArray[np.bool_]
    fails: dict[str, Floats]
    takes: dict[str, Floats]
    drift: dict[str, Floats]
    mfa: list[tuple[float, str]] = field(default_factory=list)
    logins: list[tuple[float, str]] = field(default_factory=list)
    succeeds: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    up: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    hidden: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    set: dict[str, Floats] = field(default_factory=dict)
    kpi_frozen: int | None = None

    @property
    def steps(self) -> int:
        """How many there are."""
        return len(self.predictions)

    @property
    def seconds(self) -> Floats:
        """Of each step since the start."""
        return np.arange(self.steps) * float(self.step)

    def since(self, seconds: float, until: float | None = None) -> NDArray[np.bool_]:
        """The steps from a second after the first that is seen, up to another one."""
        seen = self.seconds - self.before * self.step
        return (seen >= seconds) & (seen < (np.inf if until is None else until))


def healthy(per_hour: float, start: int, seconds: int, step: int, seed: int, *, on_sales: bool = True) -> Conditions:
    """A platform on which nothing is wrong.

    Args:
        per_hour: predictions an hour in the mean of a week.
        start: unix seconds of the first step that is seen; a day before it is made besides.
        seconds: how long it is seen.
        step: seconds.
        seed: of everything random.
        on_sales: whether there are any.
    """
    rng = np.random.default_rng((seed, round(per_hour)))
    before = DAY // step
    steps = before + seconds // step + 1
    began = start - before * step
    at = began + np.arange(steps) * float(step)
    expected = per_hour * _curve(at) * _bursts(rng, steps, step)
    launch = np.zeros(steps, bool)
    if on_sales:
        for weekday, hour, times in ON_SALES:
            since = (at - 4 * DAY - weekday * DAY - hour * HOUR) % WEEK
            on = since < ON_SALE_HOURS * HOUR
            launch |= on
            # What an on-sale sells does not depend on the hour of the day.
            expected = np.where(on, np.maximum(expected, per_hour * (0.8 + times * np.exp(-since / 1200))), expected)
    ones = np.ones(steps)
    made = Conditions(
        per_hour=per_hour,
        start=began,
        step=step,
        before=before,
        rng=rng,
        predictions=expected,
        transactions=0.98 * expected,
        blocked=BLOCKED * _wandering(rng, steps, step, 0.12),
        price=PRICE * _wandering(rng, steps, step, 0.08),
        requests=expected * REQUESTS_A_PREDICTION / 60,
        request_limit=max(float(np.max(expected)) * REQUESTS_A_PREDICTION / 60 * 1.4, 200.0),
        top_client=45.0 * _wandering(rng, steps, step, 0.15),
        latency=LATENCY * _wandering(rng, steps, step, 0.05),
        slow=SLOW * ones,
        precision=PRECISION * ones,
        launch=launch,
        fails=dict.fromkeys(PROBES, 0.0003 * ones),
        takes=dict.fromkeys(PROBES, 0.9 * ones),
        drift={feature: 0.035 * _wandering(rng, steps, step, 0.3) for feature in FEATURES},
        succeeds={collector: np.ones(steps, bool) for collector in COLLECTORS},
        up={job: np.ones(steps, bool) for job in JOBS},
    )
    _mistype(made)
    return made


def _curve(at: Floats) -> Floats:
    """Times the mean, by hour and weekday, without jumps."""
    hour = at / HOUR % 24
    daily = np.interp(hour, np.arange(25) + 0.0, np.append(HOURS, HOURS[0])) / HOURS.mean()
    weekday = ((at // DAY + 3) % 7).astype(int)
    return np.asarray(daily * WEEKDAYS[weekday] / WEEKDAYS.mean())


def _wandering(rng: np.random.Generator, steps: int, step: int, spread: float, hours: float = 3.0) -> Floats:
    """Around 1, with a spread of its logarithm, forgotten within some hours."""
    every = max(1, 300 // step)
    count = steps // every + 2
    kept = np.exp(-every * step / (hours * HOUR))
    noise = rng.normal(0, spread * np.sqrt(1 - kept**2), count)
    noise[0] = rng.normal(0, spread)
    walk = np.empty(count)
    walk[0] = noise[0]
    for number in range(1, count):
        walk[number] = kept * walk[number - 1] + noise[number]
    return np.exp(np.interp(np.arange(steps), np.arange(count) * every, walk) - spread**2 / 2)


def _bursts(rng: np.random.Generator, steps: int, step: int) -> Floats:
    """Sales come in waves: a mention, a newsletter, the end of a match."""
    return _wandering(rng, steps, step, 0.25, hours=0.4) * _wandering(rng, steps, step, 0.15, hours=6)


def _mistype(made: Conditions) -> None:
    """Honest administrators mistype: a code once, or twice in a row, and a password up to four times."""
    length = made.steps * made.step
    for failures, a_day, most in ((made.mfa, 6.0, 2), (made.logins, 8.0, 4)):
        for second in made.rng.uniform(0, length, made.rng.poisson(a_day * length / DAY)):
            account = ADMINS[made.rng.integers(0, 6)]
            failures += [(second + 20.0 * n, account) for n in range(made.rng.integers(1, most + 1))]
    # The same honest person twice in five minutes is no third mistake.
    for failures, most in ((made.mfa, 2), (made.logins, 4)):
        kept: list[tuple[float, str]] = []
        for second, account in sorted(failures):
            recent = sum(1 for other, name in kept[-20:] if name == account and second - other < 330)
            if recent < most:
                kept.append((second, account))
        failures[:] = kept
