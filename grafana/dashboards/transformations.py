"""Transformations of the answers to a panel's queries, in Grafana's JSON."""

from __future__ import annotations

from collections.abc import Mapping

from grafana.dashboards.queries import Json


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


COLOURED = [{"id": "rowsToFields", "options": {"mappings": [
    {"fieldName": "name", "handlerKey": "field.name"},
    {"fieldName": "colour", "handlerKey": "color"},
    {"fieldName": "Time", "handlerKey": "__ignore"},
]}}]  # fmt: skip
"""Transformations of queries of shape table: each row becomes a value with the name and the colour in its labels.

Steps of a panel are numbers in its file; this way the colour follows a limit that Prometheus knows.
"""


def coloured_by(ref: str, of: str) -> list[Json]:
    """Transformations that give what query `of` answers the colour in label `colour` of the answer to query `ref`."""
    colour = {"fieldName": "colour", "handlerKey": "color"}
    return [{"id": "configFromData", "options": {
        "configRefId": ref, "mappings": [colour], "applyTo": {"id": "byFrameRefID", "options": of},
    }}]  # fmt: skip


def full_at(ref: str, of: str) -> list[Json]:
    """Transformations that end the bars of what query `of` answers at the answer to query `ref`, of shape table."""
    largest = {"fieldName": f"Value #{ref}", "handlerKey": "max"}
    return [{"id": "configFromData", "options": {
        "configRefId": ref, "mappings": [largest], "applyTo": {"id": "byFrameRefID", "options": of},
    }}]  # fmt: skip


def at_every_moment(series: str) -> list[Json]:
    """Transformations that leave this series alone, with null where another of the panel's queries has a value.

    A panel that shows the last value of a range would else go on showing one of half an hour ago. To continue the
    series by NaN in PromQL does not do: VictoriaMetrics has none.

    Args:
        series: its name; the other query is to have a value at every step of the range.
    """
    return [
        {"id": "joinByField", "options": {"byField": "Time", "mode": "outer"}},
        {"id": "filterFieldsByName", "options": {"include": {"names": ["Time", series]}}},
        # The join leaves what is missing undefined, which a line bridges; as a number it is null, which is a gap.
        {"id": "convertFieldType", "options": {"conversions": [
            {"targetField": series, "destinationType": "number"},
        ]}},
    ]  # fmt: skip
