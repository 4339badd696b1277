"""Transformations of the answers to a panel's queries, in Grafana's JSON."""

from __future__ import annotations

from collections.abc import Mapping

from grafana.dashboards.queries import Json, Promql


def columns(names: Mapping[str, str], *, join_on: str | None = None) -> list[Json]:
    """Transformations that leave these columns in this order, under these names.

    Args:
        names: column as queried: as shown. An empty name keeps it as it is.
        join_on: of several queries, the column whose equal values make one row.
    """
    # A table has a column of each label; only listed ones are wanted, whatever labels there are.
    keep = {"id": "filterFieldsByName", "options": {"include": {"names": list(names)}}}
    order = {"id": "organize", "options": {
        "excludeByName": {}, "includeByName": {},
        "indexByName": {name: index for index, name in enumerate(names)},
        "renameByName": {name: shown for name, shown in names.items() if shown},
    }}  # fmt: skip
    if join_on is None:
        return [keep, order]
    return [{"id": "joinByField", "options": {"byField": join_on, "mode": "outer"}}, keep, order]


EVERY_MOMENT = Promql("vector(1)", "every moment", over_time=True)
"""A query that has a value at every step of the range: see `at_every_moment`."""


def at_every_moment(*names: str) -> list[Json]:
    """Transformations that leave the panel's series alone, with null where only `EVERY_MOMENT` has a value.

    A panel that shows the last value of a range would else go on showing one of half an hour ago. To continue the
    series by NaN in PromQL does not do: VictoriaMetrics has none.

    Args:
        names: that the series may have.
    """
    return [
        {"id": "joinByField", "options": {"byField": "Time", "mode": "outer"}},
        {"id": "filterFieldsByName", "options": {"exclude": {"names": [EVERY_MOMENT.legend]}}},
        # The join leaves what is missing undefined, which a line bridges; as a number it is null, which is a gap.
        {"id": "convertFieldType", "options": {"conversions": [
            {"targetField": name, "destinationType": "number"} for name in names
        ]}},
    ]  # fmt: skip
