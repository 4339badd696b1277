"""Every target has a platform, and Prometheus accepts what docs/exporter.md says of scraping with TLS and users."""

import re
from pathlib import Path

import yaml

from demo.configs import prometheus_config
from demo.parts import plan
from demo.replay import target_labels
from deploy import scale
from tests.prometheus.promtool import promtool

ROOT = Path(__file__).parents[2]


def test_the_jobs_of_the_exporter_load_with_tls_and_a_user(tmp_path: Path) -> None:
    snippets = [part.partition("```\n")[0] for part in (ROOT / "docs/exporter.md").read_text().split("```yaml\n")[1:]]
    (snippet,) = (part for part in snippets if "scheme: https" in part)
    secured = yaml.safe_load(snippet.replace("/etc/prometheus", str(tmp_path)))
    for name in ("exporter-ca.pem", "exporter-password"):
        (tmp_path / name).write_text("x")
    config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    jobs = [job for job in config["scrape_configs"] if job["job_name"].startswith("ticketing-")]
    assert len(jobs) == 3
    for job in jobs:
        job |= secured
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(config | {"rule_files": []}))
    result = promtool("check", "config", file)
    assert result.returncode == 0, result.stderr


def test_every_target_has_a_platform(tmp_path: Path) -> None:
    """In what is shipped, in what is made of it for a pair with each store, and in the demo's, with its past."""
    shipped = yaml.safe_load(scale.SHIPPED.read_text())
    pairs = [scale.variant(shipped, scale.REPLICAS[1], store) for store in scale.stores().values()]
    demos = [prometheus_config(plan(tmp_path, None, 2, ha=ha)) for ha in (False, True)]
    for config in (shipped, *pairs, *demos):
        for job in config["scrape_configs"]:
            assert [group["labels"] for group in job["static_configs"]] == [{"platform": "main"}], job["job_name"]
            assert target_labels(config)[job["job_name"]]["platform"] == "main"


def test_no_store_loses_the_platform() -> None:
    dropped = [
        rule.get("regex", "")
        for store in scale.stores().values()
        for rule in store.get("write_relabel_configs", [])
        if rule.get("action") in ("labeldrop", "labelkeep")
    ]
    assert dropped
    assert not any(re.fullmatch(regex, "platform") for regex in dropped)
