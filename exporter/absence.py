"""What the platform does not have, by its operator's word: the names that may be given, and what follows from each.

ticketing_platform_has{part="fraud"} 1
ticketing_platform_has{part="model"} 0
ticketing_platform_has{part="feature_reference"} 0
ticketing_platform_has{part="kpi:latency_p95"} 0
ticketing_platform_has{part="drift"} 0
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from contract import definition
from exporter.exposition import Family, Metric

Section = Literal["kpis", "fraud", "traffic", "model", "health", "security"]
SECTIONS: tuple[Section, ...] = get_args(Section)
"""In the order of the dashboard."""

HAS = Metric(
    "ticketing_platform_has",
    "gauge",
    "0 for a section, view, key or feature that the platform does not have, as declared; 1 for its sections and views.",
    ("part",),
)
NOT_HERE = "not on this platform"


def key_name(key: str) -> str:
    """How a key is named in a declaration: without the minute."""
    return key.partition(":{")[0]


REQUESTS, CLIENTS = key_name(definition.REQUESTS), key_name(definition.REQUESTS_BY_CLIENT)
LIMITS, BLOCKED = definition.RATE_LIMITS, definition.BLOCKED_CLIENTS
VIEWS = tuple(definition.VIEWS)
KEYS = tuple(key_name(key.name) for key in definition.REDIS_KEYS)

Item = tuple[str, str]
"""Kind and name."""

FEATURES: Mapping[str, tuple[Item, ...]] = {
    "fraud_model": (
        ("section", "fraud"),
        ("section", "model"),
        ("key", definition.KPI_FRAUD_RATE),
    ),
    "labels": (("view", "fraud_labels"),),
    "drift": (("view", "feature_reference"),),
    "latency": (("key", definition.KPI_LATENCY_P95),),
    "revenue": (("key", definition.KPI_REVENUE_PER_HOUR),),
    "launches": (("view", "event_launches"),),
    "clients": (("key", CLIENTS),),
    "rate_limits": (
        ("key", LIMITS),
        ("feature", "global_limit"),
        ("feature", "client_limit"),
        ("feature", "blocked_clients"),
    ),
    "global_limit": (),
    "client_limit": (),
    "blocked_clients": (("key", BLOCKED),),
    "sign_ins": (),
}
"""Features of the product, each with what is absent without it."""

_FOLLOWS: Mapping[Item, tuple[Item, ...]] = {
    **{("feature", name): items for name, items in FEATURES.items()},
    ("view", "fraud_labels"): (("feature", "labels"),),
    ("view", "feature_reference"): (("feature", "drift"),),
    ("view", "model_versions"): (("feature", "drift"),),
    ("view", "fraud_predictions"): (("feature", "drift"),),
    ("view", "event_launches"): (("feature", "launches"),),
    ("key", definition.KPI_LATENCY_P95): (("feature", "latency"),),
    ("key", CLIENTS): (("feature", "clients"),),
    ("key", BLOCKED): (("feature", "blocked_clients"),),
    ("section", "security"): (("feature", "sign_ins"),),
    ("section", "traffic"): (("feature", "rate_limits"),),
}
READ_BY: Mapping[Item, tuple[Section, ...]] = {
    ("view", "fraud_predictions"): ("fraud", "model"),
    ("view", "model_versions"): ("fraud", "model"),
    ("view", "fraud_labels"): ("model",),
    ("view", "feature_reference"): ("model",),
    ("view", "transactions"): ("kpis",),
    ("view", "event_launches"): ("kpis",),
    ("view", "security_events"): ("security",),
    **{("key", name): ("kpis",) for name in KEYS if name.startswith("kpi:")},
    **{("key", name): ("fraud",) for name in KEYS if name.startswith("config:")},
    **{("key", name): ("traffic",) for name in (REQUESTS, CLIENTS, LIMITS, BLOCKED)},
}
"""Views and keys, with the sections that read them: without all of these nobody reads it, and without all of its views
and keys a section has nothing to say."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "sections": SECTIONS,
    "views": VIEWS,
    "keys": KEYS,
    "features": tuple(FEATURES),
}
"""What may be declared absent, by the field of the configuration. No two are the same: a name says which it is."""
_KINDS = {"sections": "section", "views": "view", "keys": "key", "features": "feature"}


@dataclass(frozen=True)
class Absence:
    """What is absent: all that was declared, and all that follows."""

    items: frozenset[Item] = frozenset()

    @classmethod
    def of(cls, declared: Mapping[str, Iterable[str]]) -> Absence:
        """What follows from a declaration, by field of the configuration."""
        items = {(_KINDS[field], name) for field, names in declared.items() for name in names}
        while more := _following(items) - items:
            items |= more
        return cls(frozenset(items))

    def section(self, name: str) -> bool:
        """Whether a section is absent."""
        return ("section", name) in self.items

    def view(self, name: str) -> bool:
        """Whether a view is absent."""
        return ("view", name) in self.items

    def key(self, name: str) -> bool:
        """Whether a key, or a family of keys by minute, is absent."""
        return ("key", key_name(name)) in self.items

    def feature(self, name: str) -> bool:
        """Whether a feature of the product is absent."""
        return ("feature", name) in self.items

    def family(self) -> Family:
        """The metric. Keys and features are many, and told only where they are absent."""
        absent = {name for _, name in self.items}
        family = Family(HAS)
        for part in (*SECTIONS, *VIEWS, *(name for name in (*KEYS, *FEATURES) if name in absent)):
            family.add(int(part not in absent), part)
        return family


NOTHING = Absence()
"""Everything is there."""


def _following(items: set[Item]) -> set[Item]:
    sections = {name for kind, name in items if kind == "section"}
    found = {follows for item in items for follows in _FOLLOWS.get(item, ())}
    found |= {item for item, readers in READ_BY.items() if set(readers) <= sections}
    read = {reader for readers in READ_BY.values() for reader in readers}
    for section in read:
        if all(item in items for item, readers in READ_BY.items() if section in readers):
            found.add(("section", section))
    return found
