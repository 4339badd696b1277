"""The features of the active model: whether predictions have them, under that name and of the type of their kind."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial

from contract.definition import BOOLEAN, CATEGORICAL, NUMERIC, VIEWS
from exporter.collectors.drift import REFERENCE, Feature, problem_of
from exporter.contract_check.database import Database, newest
from exporter.contract_check.finding import OK, WARNING, WRONG, Finding
from exporter.contract_check.schema import Columns

ROWS = 1000
MOST_NAMES = 200
NEARLY_ALL = 0.9
UNLIKE_TRAINING = 0.2
"""Between the shares of unknown values now and at training: more is worth a look."""

JSON_TYPES = {BOOLEAN: "boolean", NUMERIC: "number", CATEGORICAL: "string"}
_VIEW = "fraud_predictions"
_NEEDED = {
    _VIEW: {"timestamp", "features"},
    "feature_reference": set(VIEWS["feature_reference"]),
    "model_versions": {"model_version", "is_active"},
}
_HELD_AS = "SELECT jsonb_typeof(features), count(*) FROM {sample} GROUP BY 1"
_VALUES = """
    SELECT feature, coalesce(jsonb_typeof(features -> feature), 'missing'), count(*),
           bool_and(features -> feature IN ('0', '1', '"0"', '"1"')),
           bool_and(features ->> feature ~ '^-?[0-9.]+([eE][-+]?[0-9]+)?$')
    FROM {sample} CROSS JOIN unnest(%s::text[]) AS feature GROUP BY 1, 2"""
_NAMES = """
    SELECT DISTINCT left(name, 100) FROM {sample} CROSS JOIN LATERAL jsonb_object_keys(
        CASE WHEN jsonb_typeof(features) = 'object' THEN features ELSE '{{}}' END) AS name LIMIT {most}"""


def check_features(database: Database, usable: Columns) -> Iterator[Finding]:
    """One finding for each feature of the active model."""
    if all(columns <= usable.get(view, set()) for view, columns in _NEEDED.items()):
        yield from database.guarded("feature_reference", partial(_features, database))


def _features(database: Database) -> Iterator[Finding]:
    sample = newest(_VIEW, "timestamp", "features", ROWS)
    held_as = Counter(dict(database.rows(_HELD_AS.format(sample=sample))))
    if held_as["string"]:
        mend = "in the view: (features #>> '{}')::jsonb AS features"
        detail = f"holds a JSON string, not an object, in {held_as['string']} of the newest {held_as.total()} rows"
        yield Finding(WRONG, "fraud_predictions.features", detail, mend)
        return
    references = [
        Feature(name, kind, tuple(cuts or ()), tuple(categories or ()), tuple(counts or ()))
        for name, kind, cuts, categories, counts in database.rows(REFERENCE)
    ]
    if not references:
        mend = "rows of the model that is_active, from its training; or declare feature_reference absent"
        yield Finding(WARNING, "feature_reference", "no rows of the active model: no drift", mend)
        return
    names = [name for (name,) in database.rows(_NAMES.format(sample=sample, most=MOST_NAMES))]
    found: dict[str, dict[str, tuple[int, bool, bool]]] = {}
    for name, kind, count, flags, numbers in database.rows(
        _VALUES.format(sample=sample), ([feature.name for feature in references],)
    ):
        found.setdefault(name, {})[kind] = (count, bool(flags), bool(numbers))
    for feature in references:
        problem = problem_of(feature)
        subject = f"feature {feature.name}"
        if problem:
            mend = "correct its row in feature_reference, see contract/README.md"
            yield Finding(WRONG, subject, problem, mend)
        elif found:
            yield _values(feature, found.get(feature.name, {}), names)


def _values(feature: Feature, found: Mapping[str, tuple[int, bool, bool]], names: list[str]) -> Finding:
    subject = f"feature {feature.name}"
    wanted = JSON_TYPES[feature.kind]
    total = sum(count for count, _, _ in found.values())
    usable = found.get(wanted, (0, False, False))[0]
    unknown = 1 - usable / total if total else 1.0
    others = {kind: of for kind, of in found.items() if kind not in (wanted, "missing", "null")}
    told = f"{unknown:.1%} of the newest {total} predictions are unknown"
    if others and sum(count for count, _, _ in others.values()) > total * (1 - NEARLY_ALL):
        kind, (_, flags, numbers) = max(others.items(), key=lambda item: item[1][0])
        detail = f"is {feature.kind}, which needs a JSON {wanted}, and is a JSON {kind}: {told}"
        return Finding(WRONG, subject, detail, _mend_type(feature, flags=flags, numbers=numbers))
    if unknown >= NEARLY_ALL and feature.name not in names:
        near = difflib.get_close_matches(feature.name, names, 1) or [
            name for name in names if feature.name in name or name in feature.name
        ]
        detail = "is in no object in features" + (f", but {near[0]} is" if near else "")
        held = ", ".join(sorted(names)[:10])
        mend = f"one name in both: features has {held or 'none'}"
        if near:
            mend = f"one name in both: feature = {_literal(near[0])} in feature_reference, say"
        return Finding(WRONG, subject, detail, mend)
    at_training = feature.counts[-1] / sum(feature.counts)
    if unknown >= NEARLY_ALL and unknown - at_training > UNLIKE_TRAINING:
        return Finding(WRONG, subject, told, "see what writes features, and where it has lost this one")
    if abs(unknown - at_training) > UNLIKE_TRAINING:
        return Finding(WARNING, subject, f"{told}; at training {at_training:.1%} were", "see what writes features")
    return Finding(OK, subject, f"{feature.kind}, {unknown:.1%} unknown")


def _mend_type(feature: Feature, *, flags: bool, numbers: bool) -> str:
    name, text = _literal(feature.name), f"features ->> {_literal(feature.name)}"
    if feature.kind == BOOLEAN:
        value = f"({text}) IN ('1', 'true')" if flags else f"({text})::boolean"
    elif feature.kind == NUMERIC and numbers:
        value = f"({text})::numeric"
    elif feature.kind == CATEGORICAL:
        value = text
    else:
        return f"declare another kind than {feature.kind} for it in feature_reference, with counts to match"
    return f"in the view: features || jsonb_build_object({name}, {value}) AS features; or another kind of reference"


def _literal(name: str) -> str:
    return json.dumps(name) if "'" in name else f"'{name}'"
