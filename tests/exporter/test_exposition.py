"""Rendering: whatever the values are, the official parsers read back what was put in."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.exposition import Family, Metric, assemble, format_value, render

GAUGE = Metric("a_gauge", "gauge", "A gauge.", ("first", "second"))
COUNTER = Metric("a_total", "counter", "A counter.")
HISTOGRAM = Metric("a_score", "histogram", "A histogram.")
# A carriage return or any other of Unicode's line ends would make the Python parsers split the line.
LABEL = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]) | st.sampled_from('\n\\"'), max_size=20)


@given(st.dictionaries(st.tuples(LABEL, LABEL), st.floats() | st.integers(-(10**15), 10**15), max_size=8))
def test_labels_and_values_survive(samples: dict[tuple[str, str], float]) -> None:
    family = Family(GAUGE)
    for labels, value in samples.items():
        family.add(value, *labels)
    finite = {labels: value for labels, value in samples.items() if math.isfinite(value)}
    assert family.not_finite == len(samples) - len(finite)
    for parse, openmetrics in ((parse_text, False), (parse_openmetrics, True)):
        text = assemble([render([family])], openmetrics=openmetrics).decode()
        read = {
            (sample.labels["first"], sample.labels["second"]): sample.value
            for found in parse(text)
            for sample in found.samples
        }
        assert read == finite


@given(st.sets(st.text(st.sampled_from("a\N{TICKET}\U0001f3ab\udcff"), min_size=190, max_size=600), max_size=5))
def test_long_labels_are_cut_at_a_character_and_stay_apart(names: set[str]) -> None:
    family = Family(GAUGE)
    for name in names:
        family.add(1, name, "")
    text = assemble([render([family])], openmetrics=False).decode()
    read = [sample.labels["first"] for found in parse_text(text) for sample in found.samples]
    assert all(len(name) <= 200 for name in read)
    assert len(set(read)) == len(read) == len({name.encode("utf-8", "replace") for name in names})


def test_a_name_like_what_another_is_cut_to_stays_apart() -> None:
    def shown(*names: str) -> list[str]:
        family = Family(GAUGE)
        for name in names:
            family.add(1, name, "")
        text = assemble([render([family])], openmetrics=False).decode()
        return [sample.labels["first"] for found in parse_text(text) for sample in found.samples]

    long = "a" * 300
    (cut,) = shown(long)
    assert len(set(shown(long, cut, *shown(cut)))) == 3


@given(st.lists(st.integers(0, 10**9), min_size=4, max_size=4), st.floats(0, 1e12))
def test_histograms_accumulate(counts: list[int], total: float) -> None:
    family = Family(HISTOGRAM).add_histogram((0.1, 0.5, 1.0), counts, total)
    text = assemble([render([family])], openmetrics=True).decode()
    (found,) = parse_openmetrics(text)  # type: ignore[no-untyped-call]
    buckets = [sample.value for sample in found.samples if sample.name == "a_score_bucket"]
    assert buckets == [sum(counts[: position + 1]) for position in range(4)]
    assert [s.labels["le"] for s in found.samples if s.name == "a_score_bucket"] == ["0.1", "0.5", "1.0", "+Inf"]
    assert {s.name: s.value for s in found.samples if not s.labels} == {
        "a_score_sum": total,
        "a_score_count": sum(counts),
    }


def test_pieces_of_one_metric_come_under_one_header() -> None:
    pieces = [
        render([Family(GAUGE).add(1, "a", "b"), Family(COUNTER).add(5)]),
        render([Family(GAUGE).add(2, "c", "d")]),
    ]
    assert assemble(pieces, openmetrics=False).decode() == (
        "# HELP a_gauge A gauge.\n# TYPE a_gauge gauge\n"
        'a_gauge{first="a",second="b"} 1\na_gauge{first="c",second="d"} 2\n'
        "# HELP a_total A counter.\n# TYPE a_total counter\na_total 5\n"
    )


def test_a_counter_is_one_in_openmetrics_unless_a_gauge_has_its_name() -> None:
    alone = assemble([render([Family(COUNTER).add(5)])], openmetrics=True).decode()
    assert alone == "# HELP a A counter.\n# TYPE a counter\na_total 5\n# EOF\n"
    (family,) = parse_openmetrics(alone)  # type: ignore[no-untyped-call]
    assert (family.name, family.type, family.samples[0].name) == ("a", "counter", "a_total")
    beside = Metric("b_total", "counter", "A counter.", beside_gauge=True)
    both = assemble(
        [render([Family(Metric("b", "gauge", "A gauge.")).add(1), Family(beside).add(5)])], openmetrics=True
    )
    families = parse_openmetrics(both.decode())  # type: ignore[no-untyped-call]
    assert {found.name: found.type for found in families} == {"b": "gauge", "b_total": "unknown"}


def test_families_without_samples_leave_no_header() -> None:
    assert assemble([render([Family(GAUGE), Family(COUNTER)])], openmetrics=False) == b""
    assert assemble([], openmetrics=True) == b"# EOF\n"


def test_lone_surrogates_are_replaced() -> None:
    text = assemble([render([Family(GAUGE).add(1, "\ud800", "x")])], openmetrics=False)
    assert text.decode().endswith('a_gauge{first="?",second="x"} 1\n')


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (0.5, "0.5"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
        (1e21, "1e+21"),
        (10**20, "1" + "0" * 20),
    ],
)
def test_values(value: float, text: str) -> None:
    assert format_value(value) == text


def test_too_few_or_too_many_labels_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="argument"):
        Family(GAUGE).add(1, "only one")
    with pytest.raises(ValueError, match="argument"):
        Family(COUNTER).add(1, "one too many")
