"""Writes a kustomization for the Prometheus operator and Grafana's sidecar: `python -m deploy.kubernetes [DIRECTORY]`.

It says the same as prometheus/ and grafana/ in their words, so it is not kept beside these: a release has it as a file.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RENDERED = ROOT / "deploy" / "rendered" / "monitoring"
CONFIG = ROOT / "prometheus" / "prometheus.yml"
RULES = ROOT / "prometheus" / "rules"
DASHBOARDS = ROOT / "grafana" / "dashboards"

#: The hosts in prometheus.yml that are Services of the base; their port there is named http.
SERVICES = ("exporter", "responder")
#: Fields of a scrape job that an endpoint of a ServiceMonitor has too, by its name there.
FIELDS = {"scrape_interval": "interval", "scrape_timeout": "scrapeTimeout", "metrics_path": "path", "params": "params"}
#: What the operator adds to every series, and no rule or dashboard expects.
ADDED_LABELS = "container|endpoint|namespace|node|pod|service"

Manifest = dict[str, Any]


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as such, so that a change of one line is one line."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def service_monitors(config: dict[str, Any]) -> Iterator[Manifest]:
    """One for each Service, with an endpoint for each of its scrape jobs.

    Args:
        config: prometheus.yml, parsed.

    Raises:
        ValueError: a job has a field that would be lost.
    """
    for service in SERVICES:
        scraped = [
            (job, group)
            for job in config["scrape_configs"]
            for group in job["static_configs"]
            if _host(group) == service
        ]
        yield {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "ServiceMonitor",
            "metadata": {"name": service},
            "spec": {
                "selector": {"matchLabels": {"app.kubernetes.io/name": service}},
                "endpoints": [_endpoint(job, group, config["global"]) for job, group in scraped],
            },
        }


def _host(group: dict[str, Any]) -> str:
    (target,) = group["targets"]
    return str(target).partition(":")[0]


def _endpoint(job: dict[str, Any], group: dict[str, Any], defaults: dict[str, Any]) -> Manifest:
    name = job["job_name"]
    if lost := job.keys() - FIELDS.keys() - {"job_name", "static_configs"}:
        raise ValueError(f"{CONFIG}: job {name}: no field of a ServiceMonitor is known for {', '.join(sorted(lost))}")
    settings = {field: job.get(field, defaults.get(field)) for field in FIELDS}
    return {
        "port": "http",
        **{FIELDS[field]: value for field, value in settings.items() if value is not None},
        "relabelings": [
            {"targetLabel": "job", "replacement": name},
            {"targetLabel": "instance", "sourceLabels": ["__meta_kubernetes_pod_name"]},
            *({"targetLabel": label, "replacement": value} for label, value in group.get("labels", {}).items()),
            {"action": "labeldrop", "regex": ADDED_LABELS},
        ],
    }


def prometheus_rules(files: Iterable[Path]) -> Iterator[Manifest]:
    """One for each file of rules."""
    for file in files:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        for rule in (rule for group in content["groups"] for rule in group["rules"]):
            rule["expr"] = str(rule["expr"])  # a limit is a number; the operator takes none but whole ones
        yield {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": f"ticketing-{file.stem.replace('_', '-')}"},
            "spec": content,
        }


def dashboards(files: Iterable[Path]) -> Iterator[Manifest]:
    """One ConfigMap for each dashboard."""
    for file in files:
        # In one line: `kubectl apply` keeps a copy of all of it in an annotation, which has a limit of 256 KiB.
        text = json.dumps(json.loads(file.read_text(encoding="utf-8")), separators=(",", ":"), ensure_ascii=False)
        yield {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"dashboard-{file.stem}",
                "labels": {"grafana_dashboard": "1"},
                "annotations": {"grafana_folder": "Ticketing"},
            },
            "data": {file.name: text + "\n"},
        }


def kustomization(resources: Iterable[str]) -> Manifest:
    """What names the other files, and gives all of it the namespace and the label by which Prometheus selects."""
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "ticketing-monitor",
        "labels": [{"pairs": {"app.kubernetes.io/part-of": "ticketing-monitor"}}],
        "resources": list(resources),
    }


def files() -> dict[str, str]:
    """The text of each file by its name: the same as long as the sources are the same."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    texts = {
        "service-monitors.yaml": _text_of("prometheus/prometheus.yml", service_monitors(config)),
        "prometheus-rules.yaml": _text_of("prometheus/rules/*.yml", prometheus_rules(sorted(RULES.glob("*.yml")))),
        "dashboards.yaml": _text_of("grafana/dashboards/*.json", dashboards(sorted(DASHBOARDS.glob("*.json")))),
    }
    return {"kustomization.yaml": _text_of("deploy/kubernetes/__main__.py", [kustomization(texts)]), **texts}


def _text_of(source: str, manifests: Iterable[Manifest]) -> str:
    text = yaml.dump_all(manifests, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return f"# Written by `make kubernetes` from {source}; edit that.\n{text}"


def main() -> None:
    """Write them where git ignores them, or elsewhere."""
    parser = argparse.ArgumentParser(prog="python -m deploy.kubernetes", description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=RENDERED, help="where to (default: %(default)s)")
    directory: Path = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
