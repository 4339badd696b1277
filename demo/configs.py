"""The configuration files of exporter, responder, Prometheus and Alertmanager, with the demo's addresses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from demo.parts import Parts
from demo.programs import Responder
from demo.rules import write_rules
from deploy.scale import PAIRS, REPLICAS, stores, variant
from testbed.counterparts.taxii import COLLECTION
from testbed.servers.alertmanager import SHIPPED_DIRECTORY, Receivers, demo_config
from testbed.servers.prometheus import Prometheus
from testbed.servers.server import Server

SHIPPED_PROMETHEUS_CONFIG = Path(__file__).parents[1] / "prometheus" / "prometheus.yml"


def write_configs(parts: Parts) -> None:
    """Write all files to where the parts expect them."""
    parts.exporter_config.write_text(yaml.safe_dump(exporter_config(parts.simulator.port), sort_keys=False))
    write_rules(parts.rules)
    for number, prometheus in enumerate(parts.prometheuses):
        prometheus.config.write_text(yaml.safe_dump(prometheus_config(parts, number), sort_keys=False))
    for responder, prometheus in zip(parts.responders, parts.prometheuses, strict=True):
        chat = responder.directory / "chat_url"
        chat.write_text(f"{parts.inbox.url}/slack/services/T000/B000/responder\n")
        config = responder_config(parts, responder, prometheus, chat)
        responder.config.write_text(yaml.safe_dump(config, sort_keys=False))
    monitoring = parts.grafana.url if parts.grafana else parts.inbox.url
    receivers = Receivers(
        parts.inbox.url,
        parts.inbox.smtp_port,
        responder_urls=[f"{responder.url}/alerts" for responder in parts.responders],
        monitoring_url=monitoring,
    )
    demo_config(SHIPPED_DIRECTORY, parts.alertmanager.config.parent, receivers)


def exporter_config(platform_port: int) -> dict[str, Any]:
    """The six probes of the demo; the platform's four services share the simulator's port."""
    platform = f"http://127.0.0.1:{platform_port}"

    def http(path: str, baseline: str) -> dict[str, str]:
        return {"kind": "http", "url": platform + path, "baseline": baseline, **schedule}

    schedule = {"interval": "5s", "timeout": "2s"}
    return {
        "probes": {
            "backend_api": http("/health", "45ms"),
            "postgresql": {"kind": "postgres", **schedule},
            "redis_cache": {"kind": "redis", **schedule},
            "ml_inference": http("/ml/health", "30ms"),
            "smart_contract_rpc": {**http("/rpc", "200ms"), "kind": "json-rpc"},
            "siem_collector": http("/siem/health", "15ms"),
        },
    }


def targets(parts: Parts) -> dict[str, int | None]:
    """The port of each target in the shipped prometheus.yml, and of a pair; None for what this demo does not run."""
    several: dict[str, Sequence[Server]] = {
        "exporter:19877": parts.exporters,
        "responder:19878": parts.responders,
        "localhost:9090": parts.prometheuses,
        "alertmanager:9093": parts.alertmanagers,
    }
    ports: dict[str, int | None] = {
        "grafana:3000": None if parts.grafana is None else parts.grafana.port,
        "node-exporter:9100": parts.node_exporter.port,
    }
    for target, servers in several.items():
        # The pair is named in full where one alone is "localhost".
        ports |= {name: server.port for name, server in zip(PAIRS[target], servers, strict=False)}
        ports[target] = servers[0].port
    return ports


def responder_config(parts: Parts, responder: Responder, prometheus: Prometheus, chat: Path) -> dict[str, Any]:
    """Everything that the responder can act upon is played by the simulator; the chat is the inbox."""
    platform = parts.simulator.url
    return {
        "prometheus": {"url": prometheus.url},
        "allowed_hosts": ["127.0.0.1"],
        "backend": {"kind": "kubernetes", "url": platform, "namespace": "ticketing", "deployment": "backend"},
        "siem": {"events": {"url": f"{platform}/siem/events"}, "incidents": {"url": f"{platform}/siem/incidents"}},
        "threat_feed": {"url": f"{platform}/taxii2/threats/collections/{COLLECTION}"},
        "profiles": {
            "source": {"url": f"{platform}/debug/pprof/profile"},
            "directory": str(responder.directory / "profiles"),
            "suffix": ".folded",
        },
        "chat": {"url_file": str(chat)},
        "alertmanagers": [{"url": alertmanager.url} for alertmanager in parts.alertmanagers],
    }


def prometheus_config(parts: Parts, number: int = 0) -> dict[str, Any]:
    """The shipped configuration with other addresses and the demo's rules, without the jobs of what is not there.

    Args:
        parts: All of them.
        number: Of the server; those of a pair differ.

    Raises:
        KeyError: It has a target that the demo does not know.
    """
    config: dict[str, Any] = yaml.safe_load(SHIPPED_PROMETHEUS_CONFIG.read_text())
    if parts.store is not None:
        store = {**stores()["victoriametrics"], "url": f"{parts.store.url}/api/v1/write"}
        config = variant(config, REPLICAS[number], store)
    config["rule_files"] = [str(parts.rules / "*.yml")]
    ports = targets(parts)
    for job in [*config["scrape_configs"], *config["alerting"]["alertmanagers"]]:
        for group in job["static_configs"]:
            known = [ports[target] for target in group["targets"]]
            group["targets"] = [f"127.0.0.1:{port}" for port in known if port is not None]
    # A job without targets would be taken for one that has lost them.
    config["scrape_configs"] = [
        job for job in config["scrape_configs"] if any(group["targets"] for group in job["static_configs"])
    ]
    return config


def sections_by_job(config: dict[str, Any]) -> dict[str, list[str]]:
    """Which sections of the exporter each job of a Prometheus configuration collects."""
    return {
        job["job_name"]: job["params"]["collect[]"]
        for job in config["scrape_configs"]
        if "collect[]" in job.get("params", {})
    }
