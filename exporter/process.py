"""The exporter's own process, as prometheus_client reads it: memory, CPU time, file descriptors, start.

process_resident_memory_bytes 51380224
process_cpu_seconds_total 12.4
process_open_fds 21
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, cast

from prometheus_client import ProcessCollector

from exporter.collectors.base import Moment
from exporter.exposition import Family, Metric

_collector = ProcessCollector(registry=None)


async def report(moment: Moment) -> Iterable[Family]:  # noqa: ARG001
    """See `Part`: the metrics now; none on systems without /proc."""
    return [
        Family(_metric(sample.name, collected.type, collected.documentation)).add(sample.value)
        for collected in _collector.collect()
        for sample in collected.samples
    ]


@lru_cache(maxsize=32)
def _metric(name: str, kind: str, documentation: str) -> Metric:
    return Metric(name, cast(Literal["gauge", "counter"], kind), documentation)
