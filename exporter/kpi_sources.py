"""Where each KPI comes from, by the configuration: a key of Redis, a view, PostgreSQL's own count, or Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from common.yaml_files import ConfigError, Strict
from contract import definition
from exporter.absence import Absence


class FromRedis(Strict, frozen=True, kw_only=True, tag_field="from", tag="redis"):
    """A key of the platform.

    Attributes:
        key: name of the key; the contract's by default.
        unit: unit of the number; the contract's by default. A wrong one is refused with the list of those allowed.
    """

    key: str | None = None
    unit: str | None = None


class FromView(Strict, frozen=True, kw_only=True, tag_field="from", tag="view"):
    """The row of the view `monitoring.kpis` that has the KPI's name.

    Attributes:
        unit: unit of the value; the contract's by default. A wrong one is refused with the list of those allowed.
    """

    unit: str | None = None


class FromPostgresql(Strict, frozen=True, kw_only=True, tag_field="from", tag="postgresql"):
    """The exporter counts it in the views, over the rolling hour."""


class FromPrometheus(Strict, frozen=True, kw_only=True, tag_field="from", tag="prometheus"):
    """A recording rule of your own provides the series; the exporter does nothing."""


Platforms = FromRedis | FromView | FromPrometheus
"""What the platform itself computes."""
Source = Platforms | FromPostgresql


class Kpis(Strict, frozen=True, kw_only=True):
    """Where each KPI comes from; by default the contract's Redis key.

    Attributes:
        transactions_per_hour: `postgresql` counts the rows of the view `transactions`.
        fraud_rate: `postgresql` counts the blocked share of the view `fraud_predictions`.
        api_latency_p95: PostgreSQL does not know the latency.
        revenue_per_hour: `postgresql` sums amounts and fees of the view `transactions`.
    """

    transactions_per_hour: Source = FromRedis()
    fraud_rate: Source = FromRedis()
    api_latency_p95: Platforms = FromRedis()
    revenue_per_hour: Source = FromRedis()


@dataclass(frozen=True)
class Kpi:
    """One of the four.

    Attributes:
        name: in the configuration, the view and the JSON API.
        key: of the contract.
        units: by name what a number in it is divided by, to be in the metric's; the contract's first.
        counted: the view that PostgreSQL counts it in; None where it does not know it.
    """

    name: str
    key: str
    units: Mapping[str, int]
    counted: str | None

    def source(self, kpis: Kpis) -> Source:
        """Where it comes from."""
        source: Source = getattr(kpis, self.name)
        return source

    def redis_key(self, kpis: Kpis) -> str | None:
        """Its key; None when it does not come from Redis."""
        source = self.source(kpis)
        return (source.key or self.key) if isinstance(source, FromRedis) else None

    def divisor(self, kpis: Kpis) -> int:
        """What a number of its source is divided by."""
        unit = getattr(self.source(kpis), "unit", None)
        return self.units[unit] if unit else self.contract_divisor

    @property
    def contract_divisor(self) -> int:
        """What a number in the contract's unit is divided by."""
        return next(iter(self.units.values()))


KPIS = (
    Kpi("transactions_per_hour", definition.KPI_TRANSACTIONS_PER_HOUR, {"transactions": 1}, "transactions"),
    Kpi("fraud_rate", definition.KPI_FRAUD_RATE, {"percent": 100, "ratio": 1}, "fraud_predictions"),
    Kpi("api_latency_p95", definition.KPI_LATENCY_P95, {"milliseconds": 1000, "seconds": 1}, None),
    Kpi("revenue_per_hour", definition.KPI_REVENUE_PER_HOUR, {"usd": 1, "cents": 100}, "transactions"),
)


def keys_not_needed(kpis: Kpis) -> set[str]:
    """Keys of the contract whose KPIs are there without them."""
    return {kpi.key for kpi in KPIS if kpi.redis_key(kpis) != kpi.key}


def check_kpis(kpis: Kpis, absence: Absence, place: str) -> None:
    """Whether the configuration makes sense together with what is absent.

    Raises:
        ConfigError: it does not.
    """
    for kpi in KPIS:
        source = kpi.source(kpis)
        unit = getattr(source, "unit", None)
        if unit is not None and unit not in kpi.units:
            raise ConfigError(f"{place}.{kpi.name}.unit: {unit!r} is none of {', '.join(kpi.units)}")
        if source == FromRedis():
            continue
        if absence.key(kpi.key):
            raise ConfigError(f"{place}.{kpi.name}: platform.absent declares that there is none; remove one of the two")
        if isinstance(source, FromPostgresql):
            # The section fraud counts its predictions.
            missing = absence.view(str(kpi.counted)) or (kpi.name == "fraud_rate" and absence.section("fraud"))
            if missing:
                raise ConfigError(f"{place}.{kpi.name}: platform.absent declares that there is no view {kpi.counted}")
