"""The ServiceMonitors on a real Prometheus, with the target labels that the operator gives it."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from testbed.servers.prometheus import Prometheus
from tests.deploy.kubernetes.manifests import ROOT, get
from tests.gateway.standins import Reply, StandIn

#: What Kubernetes' discovery and the operator's own rules set before the relabelings of a ServiceMonitor.
TARGET = {
    "__meta_kubernetes_pod_name": "exporter-5d9c-abcde",
    "container": "exporter",
    "endpoint": "http",
    "job": "exporter",
    "namespace": "ticketing-monitor",
    "pod": "exporter-5d9c-abcde",
    "service": "exporter",
}
SHIPPED = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
JOBS = {job["job_name"]: job for job in SHIPPED["scrape_configs"] if job["job_name"].startswith("ticketing-")}


def _relabeling(rule: dict[str, Any]) -> dict[str, Any]:
    names = {"targetLabel": "target_label", "sourceLabels": "source_labels"}
    return {names.get(name, name): value for name, value in rule.items()}


def test_asks_and_labels_as_prometheus_yml_does(tmp_path: Path) -> None:
    exporter = StandIn(lambda _: Reply(200, 'probe_up{service="scraped"} 1\n', (("Content-Type", "text/plain"),)))
    with exporter.serving():
        config = tmp_path / "prometheus.yml"
        scrapes = [
            {
                "job_name": f"serviceMonitor/ticketing-monitor/exporter/{number}",
                "scrape_interval": "1s",  # a minute is too long to wait for
                "metrics_path": endpoint["path"],
                "params": endpoint["params"],
                "static_configs": [{"targets": [exporter.address], "labels": TARGET}],
                "relabel_configs": [_relabeling(rule) for rule in endpoint["relabelings"]],
            }
            for number, endpoint in enumerate(get("ServiceMonitor", "exporter")["spec"]["endpoints"])
        ]
        config.write_text(yaml.safe_dump({"scrape_configs": scrapes}))
        with Prometheus(config, tmp_path) as prometheus:
            deadline = time.monotonic() + 15
            while len(found := prometheus.query("probe_up")) < len(JOBS):
                assert time.monotonic() < deadline, found
                time.sleep(0.1)
            up = prometheus.query("up")
    expected = [{"job": job, "instance": TARGET["pod"], "platform": "main"} for job in JOBS]
    labels = sorted((series for series, _ in up), key=lambda series: series["job"])
    assert labels == [{"__name__": "up", **series} for series in sorted(expected, key=lambda series: series["job"])]
    assert {series["service"] for series, _ in found} == {"scraped"}
    asked = {
        (url.path, tuple(parse_qs(url.query)["collect[]"])) for url in (urlsplit(seen.path) for seen in exporter.seen)
    }
    assert asked == {(job["metrics_path"], tuple(job["params"]["collect[]"])) for job in JOBS.values()}


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_keeps_the_rhythm_of_prometheus_yml(job: dict[str, Any]) -> None:
    endpoints = {
        endpoint["relabelings"][0]["replacement"]: endpoint
        for endpoint in get("ServiceMonitor", "exporter")["spec"]["endpoints"]
    }
    assert endpoints.keys() == JOBS.keys()
    endpoint = endpoints[job["job_name"]]
    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == (job["scrape_interval"], job["scrape_timeout"])
