"""The page of all metrics: those of the exporter, of the responder, and the series that rules record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import Metric as ClientMetric

from exporter import scrape
from exporter.absence import READ_BY, SECTIONS
from exporter.collectors import METRICS, fraud, freshness, health, kpis, model, security, traffic
from exporter.exposition import Metric
from reference.markdown import code, page, table
from reference.rules import ROOT, groups
from responder.ledger.totals import Totals
from responder.metrics import Counters, collected

HEAD = ("name", "type", "labels", "unit", "meaning")
OF_SECTIONS = {
    "kpis": kpis.METRICS,
    "fraud": fraud.METRICS,
    "traffic": traffic.METRICS,
    "model": model.METRICS,
    "health": health.METRICS,
    "security": security.METRICS,
}
UNITS = {
    "_timestamp_seconds": "Unix time, seconds",
    "_seconds": "seconds",
    "_ratio": "share, 0 to 1",
    "_usd": "US dollars",
    "_nats": "nats",
    "_info": "1",
}
"""By what the name, without `_total`, ends with. Without a match a metric counts, or is 0 or 1."""


def text() -> str:
    """The page."""
    known = {metric for metrics in OF_SECTIONS.values() for metric in metrics} | set(freshness.METRICS)
    if missing := set(METRICS) - known:
        raise ValueError(f"of no section: {', '.join(metric.name for metric in missing)}")
    sections = [f"## Exporter: section {name}\n\n{_sources(name)}\n\n{_table(OF_SECTIONS[name])}" for name in SECTIONS]
    return page(
        "Metrics",
        "Every metric of the exporter and the responder, and every series that the rules record. Prometheus adds the"
        " labels `job`, `instance` and `platform`. A value that is not known is absent. Your own metrics are described"
        " in [metrics of your own](../own-metrics.md).",
        *sections,
        f"## Exporter: age of the views\n\n{_table(freshness.METRICS)}",
        f"## Exporter: itself\n\n{_table(scrape.METRICS)}",
        f"## Responder\n\nSource: its ledger in PostgreSQL, and what the process has seen.\n\n{_responder()}",
        "## Recorded series\n\n"
        "Rules combine the exporters of a pair and apply the [limits](../../prometheus/rules/limits.yml). The labels"
        " stand in the rule's expression; a comment in the file says what each series means.\n\n"
        + table(("name", "every", "file"), _recorded()),
    )


def _sources(section: str) -> str:
    names = {
        kind: [name for (what, name), sections in READ_BY.items() if what == kind and section in sections]
        for kind in ("view", "key")
    }
    parts = [f"PostgreSQL views {', '.join(f'`monitoring.{name}`' for name in names['view'])}"] if names["view"] else []
    parts += [f"Redis keys {', '.join(f'`{name}`' for name in names['key'])}"] if names["key"] else []
    return f"Source: {'; '.join(parts) or 'the probes of the configuration'}."


def _table(metrics: Iterable[Metric]) -> str:
    return table(HEAD, [(code(m.name), m.kind, _labels(m.labels), unit(m.name), m.help) for m in metrics])


def unit(name: str) -> str:
    """The unit that the name tells."""
    base = name.removesuffix("_total")
    return next((text for suffix, text in UNITS.items() if base.endswith(suffix)), "number")


def _labels(names: Iterable[str]) -> str:
    return ", ".join(code(name) for name in names)


def _responder() -> str:
    counters = Counters()
    counters.webhook("")
    counters.alert("")
    counters.tried("", "", 0)
    ledger = collected(Totals({("", ""): 0}, {("", ""): 0}, 0), stopped=False, dry_run=False)
    own = [metric for metric in (*ledger, *counters.registry.collect()) if metric.name.startswith("ticketing_")]
    return table(HEAD, [_row(metric) for metric in own])


def _row(metric: ClientMetric) -> tuple[str, ...]:
    name = metric.name + ("_total" if metric.type == "counter" else "")
    labels = dict.fromkeys(label for sample in metric.samples for label in sample.labels if label != "le")
    return code(name), metric.type, _labels(labels), unit(name), metric.documentation


def _recorded() -> Iterator[tuple[str, str, str]]:
    found: dict[tuple[str, str, Path], None] = {}
    for file, group in groups():
        for rule in group["rules"]:
            if "record" in rule:
                found[rule["record"], str(group["interval"]), file] = None
    for name, interval, file in sorted(found):
        yield code(name), interval, f"[{file.name}](../../{file.relative_to(ROOT)})"
