"""Which sections a scrape reads: all, those it names, or all but those it names."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.collectors import METRICS, SECTIONS, freshness
from tests.exporter.web.serving import Served, names


@pytest.mark.parametrize("section", SECTIONS)
def test_one_section(web: Served, section: str) -> None:
    found = names(web.get("/metrics", params={"collect[]": section}).text)
    assert success(web, section) == {section}
    others = {metric.name for metric in METRICS} & found - {metric.name for metric in freshness.METRICS}
    prefix = {
        "kpis": ("ticketing_kpi", "ticketing_event", "ticketing_transactions", "ticketing_revenue"),
        "fraud": ("ticketing_fraud",),
        "traffic": ("ticketing_api", "ticketing_rate_limit", "ticketing_client"),
        "model": ("ticketing_model",),
        "health": ("ticketing_probe",),
        "security": ("ticketing_security", "ticketing_admin"),
    }[section]
    assert all(name.startswith(prefix) for name in others)


def success(web: Served, section: str) -> set[str]:
    """The sections that a scrape of one reports on."""
    text = web.get("/metrics", params={"collect[]": section}).text
    return {
        s.labels["collector"]
        for f in parse_text(text)
        for s in f.samples
        if s.name == "ticketing_exporter_collector_success"
    }


def test_several_sections_and_repetitions(web: Served) -> None:
    asked = web.get("/metrics?collect[]=security&collect%5B%5D=kpis&collect[]=security&other=1")
    collectors = [
        s.labels["collector"]
        for f in parse_text(asked.text)
        for s in f.samples
        if s.name == "ticketing_exporter_collector_success"
    ]
    assert collectors == ["kpis", "security"]


@pytest.mark.parametrize(
    "query", ["collect[]=nonsense", "collect[]=", "collect[]=kpis&collect[]=Fraud", "collect[]=%00"]
)
def test_an_unknown_section_is_refused(web: Served, query: str) -> None:
    answer = web.get(f"/metrics?{query}")
    assert answer.status_code == 400
    assert answer.text.startswith("unknown section '")
    assert answer.text.endswith("; there are kpis, fraud, traffic, model, health, security\n")


def test_all_sections_but_those_that_are_excluded(web: Served) -> None:
    answer = web.get("/metrics?exclude[]=model&exclude[]=fraud")
    assert answer.status_code == 200
    collected = {
        sample.labels["collector"]
        for family in parse_text(answer.text)
        for sample in family.samples
        if sample.name == "ticketing_exporter_collector_success"
    }
    assert collected == set(SECTIONS) - {"model", "fraud"}
    assert "ticketing_fraud" not in answer.text
    assert web.get("/metrics?exclude[]=nonsense").text.startswith("unknown section 'nonsense'")


def test_nothing_is_collected_when_everything_is_excluded(web: Served) -> None:
    answer = web.get("/metrics?" + "&".join(f"exclude[]={section}" for section in SECTIONS))
    assert answer.status_code == 200
    assert "ticketing_exporter_build_info" in answer.text
    assert "ticketing_exporter_collector_success" not in answer.text


def test_sections_are_either_chosen_or_excluded(web: Served) -> None:
    answer = web.get("/metrics?collect[]=kpis&exclude[]=fraud")
    assert (answer.status_code, answer.text) == (400, "collect[] and exclude[] cannot be combined; remove one\n")
