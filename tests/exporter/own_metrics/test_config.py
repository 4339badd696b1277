"""The list `metrics` of the configuration: what is accepted, and what is refused with file, entry and field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from common.yaml_files import ConfigError
from exporter import collectors, scrape
from exporter.config import load
from exporter.own_metrics.config import PREFIX

COUNT = {"kind": "count", "help": "Refunds."}
VIEW = {
    "name": "refunds",
    "section": "kpis",
    "from": "view",
    "view": "monitoring.refunds",
    "time": "refunded_at",
    "windows": ["1h"],
    "keys": {"reason": {"column": "reason"}},
    "values": {"refunds": COUNT},
}
REDIS = {
    "name": "mail",
    "section": "health",
    "from": "redis",
    "values": {"mail_queue": {"command": "LLEN", "key": "mail", "help": "Mails."}},
}


def loaded(directory: Path, *entries: Any, **more: Any) -> Any:
    file = directory / "exporter.yml"
    file.write_text(yaml.safe_dump({"metrics": list(entries), **more}))
    return load(file).metrics


def view(**changes: Any) -> dict[str, Any]:
    changed = {**VIEW, **changes}
    return {name: value for name, value in changed.items() if value is not None}


def histogram(**changes: Any) -> dict[str, Any]:
    return {"kind": "histogram", "column": "wait", "buckets": [1, 2], "help": "Wait.", **changes}


def redis(**changes: Any) -> dict[str, Any]:
    return {**REDIS, "values": {"mail_queue": {**REDIS["values"]["mail_queue"], **changes}}}  # type: ignore[index]


def test_the_defaults_are_none(tmp_path: Path) -> None:
    assert load(None).metrics == ()
    assert [entry.collector for entry in loaded(tmp_path, VIEW, REDIS)] == ["own_refunds", "own_mail"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("x", "metrics[0]: Expected `object`, got `str`"),
        ({}, "metrics[0]: Object missing required field `from`"),
        (view(**{"from": "table"}), "metrics[0].from: Invalid value 'table'"),
        (view(sql="SELECT 1"), "metrics[0]: Object contains unknown field `sql`"),
        (view(name="Refunds"), "metrics[0].name: 'Refunds' is not a name of at most 60 lower-case letters"),
        (view(name="a" * 61), "metrics[0].name: "),
        (view(section="money"), "metrics[0].section: Invalid enum value 'money'"),
        (view(view="refunds"), "metrics[0].view: 'refunds' is not schema.view"),
        (view(view="a.b.c"), "metrics[0].view: 'a.b.c' is not schema.view"),
        (view(view="monitoring." + "x" * 64), "is not a name that PostgreSQL could have"),
        (view(view='monitoring."x\0'), "is not a name that PostgreSQL could have"),
        (view(time=""), "metrics[0].time: '' is not a name that PostgreSQL could have"),
        (view(time=None), "metrics[0].time: windows need the column of the rows' time"),
        (view(windows=[]), "metrics[0].windows: is missing"),
        (view(windows=["1 hour"]), "metrics[0].windows: '1 hour' is not a duration"),
        (view(windows=["1500ms"]), "metrics[0].windows: 1500ms is not whole seconds up to 31d"),
        (view(windows=["32d"]), "metrics[0].windows: 32d is not whole seconds up to 31d"),
        (view(windows=["60m", "1h"]), "metrics[0].windows: contains a duplicate"),
        (view(windows=["20s"]), "with settle 20 s, and the longest window, none may be shorter than 30s"),
        (view(windows=["30s", "2d"]), "none may be shorter than 140s"),
        (view(keys={"le": {"column": "a"}}), "metrics[0].keys: 'le' is not the name of a label, or one of window, le"),
        (view(keys={"a-b": {"column": "a"}}), "metrics[0].keys: 'a-b' is not the name of a label"),
        (view(keys={"a": {"column": "a", "most": 101}}), "metrics[0].keys.a.most: Expected `int` <= 100"),
        (view(keys={"a": {"column": "a", "top": 1}}), "metrics[0].keys.a: Object contains unknown field `top`"),
        (view(keys={"a": {"column": "a", "words": ["x", "x"]}}), "metrics[0].keys.a.words: contains a duplicate"),
        (view(keys={"a": {"column": "a", "words": ["other"]}}), "metrics[0].keys.a.words: none may be 'other'"),
        (
            view(keys={"a": {"column": "a", "most": 40}, "b": {"column": "b", "most": 40}}),
            "metrics[0].keys: 1681 combinations (names × buckets) are more than 1000",
        ),
        (view(values={}), "metrics[0].values: Expected `object` of length >= 1"),
        (view(values={"Refunds": COUNT}), "metrics[0].values: 'Refunds' is not a name"),
        (view(values={"refunds_total": COUNT}), "metrics[0].values.refunds_total: must not end with _total"),
        (
            view(values={"refunds": {"kind": "count"}}),
            "values.refunds: Object missing required field `help`",
        ),
        (
            view(values={"refunds": {"kind": "mean", "help": "x"}}),
            "values.refunds.kind: Invalid value 'mean'",
        ),
        (view(values={"refunds": {**COUNT, "help": 'a "b"'}}), "help: must be one line without quotes and backslashes"),
        (view(values={"refunds": {**COUNT, "by": ["provider"]}}), "values.refunds.by: 'provider' is none of the keys"),
        (view(values={"refunds": {**COUNT, "by": ["reason", "reason"]}}), "values.refunds.by: contains a duplicate"),
        (
            view(values={"a": {"kind": "sum", "column": "c", "factor": 0, "help": "x"}}),
            "metrics[0].values.a.factor: 0.0 is not a finite number other than 0",
        ),
        (view(values={"a": histogram(buckets=[2, 1])}), "metrics[0].values.a.buckets: must be finite and ascend"),
        (view(values={"a": histogram(buckets=[1, float("inf")])}), "values.a.buckets: must be finite and ascend"),
        (view(values={"a": histogram(quantiles=[1.5])}), "metrics[0].values.a.quantiles[0]: Expected `float` < 1.0"),
        (view(values={"a": histogram(), "b": histogram()}), "values.b: a second histogram needs an entry of its own"),
        (view(time=None, windows=None, values={"a": histogram()}), "values.a: a histogram needs time and windows"),
        (redis(command="KEYS"), "metrics[0].values.mail_queue.command: Invalid enum value 'KEYS'"),
        (redis(command="HGET"), "metrics[0].values.mail_queue.field: HGET needs it"),
        (redis(field="x"), "metrics[0].values.mail_queue.field: HGET needs it, and no other command has it"),
        (redis(key=""), "metrics[0].values.mail_queue.key: Expected `str` of length >= 1"),
        (redis(factor=float("nan")), "metrics[0].values.mail_queue.factor: nan is not a finite number"),
    ],
)
def test_a_wrong_entry_is_refused_by_file_and_field(tmp_path: Path, entry: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, entry)
    assert str(error.value).startswith(f"{tmp_path}/exporter.yml: metrics[0]")
    assert message in str(error.value)


def test_what_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"metrics\[1\].name: the entry refunds is in .*metrics\[0\], too"):
        loaded(tmp_path, VIEW, view(values={"others": COUNT}))
    with pytest.raises(ConfigError, match=r"metrics\[1\].values: ticketing_own_refunds is in .*metrics\[0\], too"):
        loaded(tmp_path, VIEW, view(name="others"))
    with pytest.raises(ConfigError, match="metrics: 17 entries are more than 16"):
        loaded(tmp_path, *(view(name=f"r{n}", values={f"r{n}": COUNT}) for n in range(17)))


def test_a_section_that_is_absent_shows_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"metrics\[0\].section: platform.absent declares that there is no kpis"):
        loaded(tmp_path, VIEW, platform={"absent": {"sections": ["kpis"]}})


def test_no_metric_of_the_product_has_the_prefix() -> None:
    product = [*collectors.METRICS, *scrape.METRICS]
    assert [metric.name for metric in product if metric.name.startswith(PREFIX)] == []
