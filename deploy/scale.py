"""The configuration of a pair of Prometheus servers that write to a clustered store: `python -m deploy.scale`.

All else is as shipped in prometheus/prometheus.yml, so that the two cannot drift apart.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "prometheus" / "prometheus.yml"
RENDERED = ROOT / "deploy" / "rendered" / "scale"
REPLICAS = ("prometheus-0", "prometheus-1")
STORE = "http://vminsert:8480/insert/0/prometheus/api/v1/write"
ALERTMANAGERS = ["alertmanager:9093", "alertmanager-1:9093"]
#: Of a job of one server, the second one, which has the same shape.
PAIRS = {"prometheus": ["prometheus:9090", "prometheus-1:9090"], "alertmanager": ALERTMANAGERS}
#: Scaled by `--scale exporter=2`: the name has the address of each, and one by chance would mix up their counters.
EXPORTER = "exporter:8010"


def variant(shipped: dict[str, Any], replica: str) -> dict[str, Any]:
    """One server of the pair: its own replica label, both Alertmanagers, every exporter, the store.

    Args:
        shipped: prometheus.yml, parsed; not changed.
        replica: the label by which the store tells two equal series apart, and drops one.
    """
    config = {**shipped, "global": {**shipped["global"], "external_labels": {"replica": replica}}}
    config["alerting"] = {
        **shipped["alerting"],
        "alertmanagers": [
            {**shipped["alerting"]["alertmanagers"][0], "static_configs": [{"targets": ALERTMANAGERS}]},
        ],
    }
    config["scrape_configs"] = [scraping(job) for job in shipped["scrape_configs"]]
    config["remote_write"] = [{"url": STORE, "queue_config": {"max_shards": 8, "max_samples_per_send": 5000}}]
    return config


def scraping(job: dict[str, Any]) -> dict[str, Any]:
    """A job with every server that it is about."""
    if job["job_name"] in PAIRS:
        return {**job, "static_configs": [{"targets": PAIRS[job["job_name"]]}]}
    if job["static_configs"] != [{"targets": [EXPORTER]}]:
        return job
    name, _, port = EXPORTER.partition(":")
    found = {"names": [name], "type": "A", "port": int(port), "refresh_interval": "15s"}
    return {**{key: value for key, value in job.items() if key != "static_configs"}, "dns_sd_configs": [found]}


def main(target: Path = RENDERED) -> int:
    """Write the file of each server."""
    target.mkdir(parents=True, exist_ok=True)
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    for replica in REPLICAS:
        text = yaml.safe_dump(variant(shipped, replica), sort_keys=False, width=120)
        (target / f"{replica}.yml").write_text(text, encoding="utf-8")
    sys.stdout.write(f"{target}: {', '.join(REPLICAS)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
