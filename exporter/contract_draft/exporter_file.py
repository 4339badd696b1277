"""`exporter.yml`: what the exporter is to read and probe, where that is not what it does by itself."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.absence import KEYS
from exporter.contract_draft.draft import DraftedView
from exporter.contract_draft.redis_keys import Keys
from exporter.contract_draft.views import predictions, transactions

FILE = "exporter.yml"
_HEAD = """\
# Drafted by ticketing-exporter --contract.draft. Add probes of your services; docs/exporter.md shows every kind.
probes:
  postgresql: {kind: postgres}
"""
_REDIS = "  redis_cache: {kind: redis}\n"
_LIMITS = (
    "# Requests, clients and limits can come from views, too: contract/README.md, traffic from elsewhere.",
    "rate_limits: {adapter: none}",
)
_COUNTED = {
    transactions.VIEW: ("transactions_per_hour", "revenue_per_hour"),
    predictions.VIEW: ("fraud_rate",),
}
"""KPIs that PostgreSQL can count, by the view they are counted in."""


def exporter_file(views: Sequence[DraftedView], keys: Keys) -> str:
    """The file's text."""
    if keys.absent != KEYS:
        return _HEAD + _REDIS
    there = {view.name for view in views if view.source is not None}
    counted = [name for view, names in _COUNTED.items() if view in there for name in names]
    lines = ["# Nobody writes the KPIs into Redis: PostgreSQL counts those that it can."] if counted else []
    lines += ["kpis:", *(f"  {name}: {{from: postgresql}}" for name in counted)] if counted else []
    return _HEAD + "\n".join([*lines, *_LIMITS]) + "\n"
