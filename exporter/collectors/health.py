"""Section health: the last result of each probe.

ticketing_probe_success{probe="smart_contract_rpc"} 1
ticketing_probe_slow{probe="smart_contract_rpc"} 1
ticketing_probe_duration_seconds{probe="smart_contract_rpc"} 0.85
ticketing_probe_baseline_seconds{probe="smart_contract_rpc"} 0.2
ticketing_probe_timestamp_seconds{probe="smart_contract_rpc"} 1764354145.2
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from exporter.collectors.base import Collector, Moment
from exporter.exposition import Family, Metric
from exporter.probes.schedule import Schedule

SUCCESS = Metric("ticketing_probe_success", "gauge", "1 when the last try succeeded, 0 when it failed.", ("probe",))
SLOW = Metric(
    "ticketing_probe_slow",
    "gauge",
    "1 when the last try took more than twice its baseline, else 0.",
    ("probe",),
)
DURATION = Metric("ticketing_probe_duration_seconds", "gauge", "How long the last try took, in seconds.", ("probe",))
BASELINE = Metric(
    "ticketing_probe_baseline_seconds", "gauge", "How long a try normally takes, as configured.", ("probe",)
)
TIMESTAMP = Metric("ticketing_probe_timestamp_seconds", "gauge", "Unix time of the last try.", ("probe",))

METRICS = (SUCCESS, SLOW, DURATION, BASELINE, TIMESTAMP)


def collector(schedule: Callable[[], Schedule]) -> Collector:
    """The section, reporting the results of the schedule in force."""

    async def report(moment: Moment) -> Iterable[Family]:
        return _families(schedule(), moment)

    return Collector("health", (report,))


def _families(schedule: Schedule, moment: Moment) -> Iterable[Family]:
    families = {metric: Family(metric) for metric in METRICS}
    for name, result in schedule.results(moment.seconds).items():
        families[SUCCESS].add(int(result.success), name)
        families[SLOW].add(int(result.slow), name)
        if result.seconds is not None:
            families[DURATION].add(round(result.seconds, 6), name)
        families[TIMESTAMP].add(round(result.timestamp, 3), name)
    for name, config in schedule.probes.items():
        if config.baseline is not None:
            families[BASELINE].add(float(config.baseline), name)
    return families.values()
