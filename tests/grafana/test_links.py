"""Every link leads somewhere: to a panel, a dashboard, a variable, a runbook that is there."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from grafana.dashboards.sections import SECTIONS
from testbed.viewer.board import ROOT, UIDS, addresses, dashboard, panels
from tests.prometheus.ruleset import rules

RUNBOOKS = "https://github.com/nft-ticketing/monitor/blob/main/"
# What a viewer has chosen for all dashboards.
CARRIED = ("platform", "prometheus", "postgresql")
ALERTS = [rule for rule in rules() if rule.is_alert]


def check_dashboard(address: str) -> None:
    """Fail unless the dashboard, its variables with these values, and its panel are there."""
    parts = urlsplit(address)
    match = re.fullmatch(r"/admin/monitoring/d/([\w-]+)/[\w-]+", parts.path)
    assert match, address
    uid = match.group(1)
    assert uid in UIDS, address
    variables = {variable["name"]: variable for variable in dashboard(uid)["templating"]["list"]}
    for name, value in parse_qsl(parts.query.replace("${__url_time_range}", "")):
        if name == "viewPanel" and value == '${__data.fields["Panel"].text}':
            continue  # see test_every_section_has_a_panel_to_look_at_first
        if name == "viewPanel":
            assert int(value) in {panel["id"] for panel in panels(uid)}, address
        else:
            variable = variables[name.removeprefix("var-")]
            if variable["type"] == "custom" and "$labels" not in value:
                assert value in {option["value"] for option in variable["options"]}, address


def check_runbook(address: str) -> None:
    """Fail unless the file is there and has the heading."""
    path, _, anchor = address.removeprefix(RUNBOOKS).partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.MULTILINE)
    assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, address


@pytest.mark.parametrize("uid", UIDS)
def test_links_of_dashboards(uid: str) -> None:
    found = addresses(uid)
    assert found
    for address in found:
        if address.startswith(RUNBOOKS):
            check_runbook(address)
        elif address.startswith("/admin/incidents/"):
            # Served for the whole ID of an incident, and for nothing else: tests/gateway.
            assert address == '/admin/incidents/${__data.fields["Incident"]}'
        else:
            check_dashboard(address)
            for variable in CARRIED:
                assert f"${{{variable}:queryparam}}" in address, "it would show another platform, or other data"


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule.file}-{rule.number}")
def test_alerts_open_the_dashboard_at_their_section(rule: object) -> None:
    address = rule.content["annotations"]["dashboard_url"]  # type: ignore[attr-defined]
    check_dashboard(address)
    chosen = dict(parse_qsl(urlsplit(address).query))
    # The section is on screen, not somewhere below it. Of some rules Prometheus alone knows which section it is.
    if chosen["var-section"] in SECTIONS:
        assert int(chosen["viewPanel"]) == SECTIONS[chosen["var-section"]].main
    else:
        assert chosen["var-section"] == "{{ $labels.collector }}"


def test_every_alert_leads_to_its_runbook_from_the_list_of_what_fires() -> None:
    (firing,) = (panel for panel in panels("ticketing") if panel["title"] == "What is firing")
    (override,) = (
        each
        for each in firing["fieldConfig"]["overrides"]
        if each["matcher"]["options"] == "Runbook" and each["properties"][0]["id"] == "mappings"
    )
    shown = override["properties"][0]["value"][0]["options"]
    for rule in ALERTS:
        assert shown[rule.name]["text"] == rule.content["annotations"]["runbook_url"]


def test_every_section_has_a_panel_to_look_at_first() -> None:
    (firing,) = (panel for panel in panels("ticketing") if panel["title"] == "What is firing")
    (override,) = (
        each
        for each in firing["fieldConfig"]["overrides"]
        if each["matcher"]["options"] == "Panel" and each["properties"][0]["id"] == "mappings"
    )
    shown = override["properties"][0]["value"][0]["options"]
    assert {rule.content["labels"]["section"] for rule in ALERTS} - {"{{ $labels.collector }}"} <= shown.keys()
    assert {int(each["text"]) for each in shown.values()} <= {panel["id"] for panel in panels("ticketing")}


def test_each_severity_has_its_pill_which_keeps_what_else_was_chosen() -> None:
    pills = [each for each in addresses("ticketing") if "var-severity=" in each]
    chosen = {dict(parse_qsl(urlsplit(each).query)).get("var-severity") for each in pills}
    assert chosen == {"$__all", "CRITICAL", "HIGH", "MEDIUM", "LOW"}
    assert all("${section:queryparam}" in each and "${__url_time_range}" in each for each in pills)
    (text,) = (panel for panel in panels("ticketing") if panel["id"] == 601)
    assert "${severity:text}" in text["options"]["content"], "which one is active"


def test_folders_dashboards_and_data_sources_share_no_uid() -> None:
    """Grafana keeps folders and dashboards in one table, and refuses a dashboard that is called as a folder."""
    provisioning = ROOT / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "ticketing.yml").read_text())["providers"]
    sources = yaml.safe_load((provisioning / "datasources" / "ticketing.yml").read_text())["datasources"]
    uids = [provider["folderUid"], *UIDS, *(source["uid"] for source in sources)]
    assert len(uids) == len(set(uids))
