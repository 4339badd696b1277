"""Variants differ from what is shipped in what makes them variants, and are valid."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from demo import compose as demo
from deploy import scale
from gateway.__main__ import env_file
from responder.actions import fields
from responder.actions.silence_alert import ALERTMANAGERS
from responder.config import load
from tests.compose.stack import ROOT, mounts, services, substituted


@pytest.mark.parametrize("store", scale.stores())
@pytest.mark.parametrize("replica", scale.REPLICAS)
def test_a_pair_of_prometheus_servers(tmp_path: Path, replica: str, store: str) -> None:
    scale.main(tmp_path, store)
    (tmp_path / "rules").symlink_to(ROOT / "prometheus" / "rules")
    subprocess.run(["promtool", "check", "config", tmp_path / f"{replica}.yml"], check=True, capture_output=True)
    shipped = yaml.safe_load(scale.SHIPPED.read_text())
    variant = yaml.safe_load((tmp_path / f"{replica}.yml").read_text())
    assert variant.pop("remote_write") == [scale.stores()[store]]
    assert variant["global"].pop("external_labels") == {"replica": replica}
    shipped["global"].pop("external_labels")
    for job, other in zip(jobs(shipped), jobs(variant), strict=True):
        (group,) = job["static_configs"]
        (target,) = group["targets"]
        group["targets"] = scale.PAIRS.get(target, [target])
        assert job == other
    assert variant == shipped


def jobs(config: dict[str, Any]) -> list[dict[str, Any]]:
    return [*config["scrape_configs"], *config["alerting"]["alertmanagers"]]


def test_every_second_one_is_a_service_of_the_profile() -> None:
    scaled = {name for name, service in services().items() if service.get("profiles") == ["scale"]}
    assert scaled == {targets[1].partition(":")[0] for targets in scale.PAIRS.values()}
    for second in scaled:
        first, other = services()[second.removesuffix("-1")], services()[second]
        assert {**other, "profiles": None, "volumes": None} == {**first, "profiles": None, "volumes": None}


def test_both_responders_are_told_and_ask_a_prometheus_of_their_own(tmp_path: Path) -> None:
    scale.main(tmp_path)
    told = yaml.safe_load((tmp_path / "alertmanager.yml").read_text())
    shipped = yaml.safe_load((ROOT / "alertmanager" / "alertmanager.yml").read_text())
    (receiver,) = (one for one in told["receivers"] if one["name"] == "responder")
    urls = {webhook["url"] for webhook in receiver["webhook_configs"]}
    assert urls == {"http://responder:19878/alerts", "http://responder-1:19878/alerts"}
    del receiver["webhook_configs"][1]
    assert told == shipped
    subprocess.run(["amtool", "check-config", tmp_path / "alertmanager.yml"], check=True, capture_output=True)
    first, second = (load(file, fields()) for file in (scale.RESPONDER, tmp_path / "responder-1.yml"))
    assert (first.prometheus.url, second.prometheus.url) == ("http://prometheus:9090", "http://prometheus-1:9090")
    alone, both = ([one.url for one in config.get(ALERTMANAGERS) or ()] for config in (first, second))
    assert alone == ["http://alertmanager:9093"]
    # What fires has to go on in both: they do not tell each other.
    assert both == [*alone, "http://alertmanager-1:9093"]


def test_the_store_of_the_profile_has_the_flags_that_are_tested() -> None:
    commands = {name: service["command"] for name, service in services().items() if name.startswith("vm")}
    assert {scale.DEDUPLICATION, *scale.SEARCH} <= set(commands["vmselect"])
    assert scale.DEDUPLICATION in commands["vmstorage-0"]
    assert commands["vmstorage-0"] == commands["vmstorage-1"]


def relabelled(store: str) -> set[str]:
    """Labels that a sample of the pair has beside its own when it reaches the store."""
    labels = {"replica"}
    for rule in scale.stores()[store].get("write_relabel_configs", []):
        if rule.get("action") == "labeldrop":
            labels -= {rule["regex"]}
        else:
            labels |= {rule["target_label"]}
    return labels


def test_each_store_gets_the_labels_by_which_it_merges_a_pair() -> None:
    found = {store: relabelled(store) for store in scale.stores()}
    assert found == {"victoriametrics": set(), "mimir": {"cluster", "__replica__"}, "thanos": {"replica"}}


def test_the_demo_notifies_the_inbox(tmp_path: Path) -> None:
    demo.main(tmp_path / "demo")
    text = (tmp_path / "demo" / "alertmanager.yml").read_text()
    hosts = set(re.findall(r"https?://([\w.-]+)|smarthost: ([\w.-]+)", text))
    assert {first or second for first, second in hosts} == {"inbox", "responder"}
    named = set(re.findall(r"_file: (\S+)", text))
    mounted = {one["target"] for one in services()["alertmanager"]["secrets"]}
    assert {f"/etc/alertmanager/{file.rstrip('}')}" for file in named} <= mounted
    subprocess.run(["amtool", "check-config", tmp_path / "demo" / "alertmanager.yml"], check=True, capture_output=True)


def test_shipped_alertmanager_has_its_secrets() -> None:
    text = (ROOT / "alertmanager" / "alertmanager.yml").read_text()
    named = {file.rstrip("}") for file in re.findall(r"_file: (\S+)", text)}
    mounted = {one["target"] for one in services()["alertmanager"]["secrets"]}
    assert {f"/etc/alertmanager/{file}" for file in named} == mounted


def test_the_gateways_probe_is_of_its_own_name() -> None:
    host = env_file(ROOT / ".env.example")["MONITORING_HOST"]
    for name in ("exporter.yml", "exporter-demo.yml"):
        probes = yaml.safe_load((ROOT / "deploy" / "compose" / name).read_text())["probes"]
        assert probes["gateway"]["url"] == f"https://{host}:8443/admin/monitoring/"
        assert probes["gateway"]["valid_status"] == [403]
        assert {probes[one]["interval"] for one in ("grafana", "gateway", "sign_in")} == {"60s"}
        assert probes["identity"]["interval"] == "15s"  # no page waits for the next look at one that was slow to start


@pytest.mark.parametrize("store", ["mimir", "thanos"])
def test_other_stores(store: str) -> None:
    """They are not run here: that they are Compose files, confined as the others, and fit what is written to them."""
    folder = ROOT / "contrib" / "store"
    content = yaml.safe_load(substituted((folder / f"{store}.compose.yml").read_text(), {}))
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    jsonschema.Draft7Validator(schema).validate(content)
    for name, service in content["services"].items():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
        assert "ports" not in service
        for source, _, mode in mounts(service):
            assert not source.startswith(".") or (mode == "ro" and (ROOT / source).exists()), source


def other_store(store: str) -> dict[str, Any]:
    """Services of a store that is not run here."""
    text = (ROOT / "contrib" / "store" / f"{store}.compose.yml").read_text()
    found: dict[str, Any] = yaml.safe_load(substituted(text, {}))["services"]
    return found


@pytest.mark.parametrize(
    ("store", "written", "asked"),
    [
        ("mimir", {"mimir-1", "mimir-2", "mimir-3"}, {"mimir-1", "mimir-2", "mimir-3"}),
        ("thanos", {"thanos-receive-0", "thanos-receive-1", "thanos-receive-2"}, {"thanos-query"}),
    ],
)
def test_other_stores_are_written_to_while_one_of_three_is_down(store: str, written: set[str], asked: set[str]) -> None:
    by_name: dict[str, set[str]] = {}
    for service, settings in other_store(store).items():
        networks = settings["networks"]
        inside = networks["inside"] if isinstance(networks, dict) else {}
        for name in [service, *inside.get("aliases", [])]:
            by_name.setdefault(name, set()).add(service)
    assert by_name[scale.stores()[store]["url"].removeprefix("http://").partition(":")[0]] == written
    answers = env_file(ROOT / "contrib" / "store" / f"{store}.env")["METRICS_ADDRESS"]
    assert by_name[answers.partition(":")[0]] == asked


@pytest.mark.parametrize("store", ["mimir", "thanos"])
def test_other_stores_may_write_to_their_volumes(store: str) -> None:
    """A new volume belongs to whom its directory in the image belongs to, and to root when there is none."""
    for name, service in other_store(store).items():
        targets = [target for source, target, _ in mounts(service) if not source.startswith(".")]
        if "user" in service:
            image = service.get("build", {}).get("dockerfile_inline", "")
            for target in targets:
                assert f"WORKDIR {target}\n" in image, name
                assert image.endswith(f"COPY --from=empty --chown={service['user']} {target} {target}\n"), name


def test_other_stores_have_the_health_checks_that_their_images_can_run() -> None:
    programs = {
        name: service["healthcheck"]["test"][1] if "healthcheck" in service else None
        for store in ("mimir", "thanos")
        for name, service in other_store(store).items()
    }
    # Mimir's image has nothing to ask with.
    assert {name for name, program in programs.items() if program is None} == {"mimir-1", "mimir-2", "mimir-3"}
    assert {program for name, program in programs.items() if name.startswith("thanos")} == {"wget"}
    assert programs["etcd"] == "etcdctl"


def test_mimir_and_thanos_merge_the_pair_by_the_labels_that_are_written() -> None:
    folder = ROOT / "contrib" / "store"
    limits = yaml.safe_load((folder / "mimir.yml").read_text())["limits"]
    assert {limits["ha_cluster_label"], limits["ha_replica_label"]} == relabelled("mimir")
    query = yaml.safe_load((folder / "thanos.compose.yml").read_text())["services"]["thanos-query"]["command"]
    assert {f"--query.replica-label={label}" for label in relabelled("thanos")} <= set(query)
    ring = json.loads((folder / "thanos-hashring.json").read_text())
    assert {endpoint.partition(":")[0] for endpoint in ring[0]["endpoints"]} == {
        f"thanos-receive-{n}" for n in range(3)
    }
