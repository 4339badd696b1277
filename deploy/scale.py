"""The configuration of pairs that survive, and of a store: `python -m deploy.scale [STORE]`.

All else is as shipped for one of each, so that the two cannot drift apart.
"""

import argparse
import copy
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "prometheus" / "prometheus.yml"
ALERTMANAGER = ROOT / "alertmanager"
RESPONDER = ROOT / "deploy" / "compose" / "responder.yml"
REMOTE_WRITE = ROOT / "deploy" / "remote_write.yml"
RENDERED = ROOT / "deploy" / "rendered" / "scale"
REPLICAS = ("prometheus-0", "prometheus-1")

#: By target of one server, those of the pair. Everything else is there once.
PAIRS = {
    "exporter:19877": ["exporter:19877", "exporter-1:19877"],
    "responder:19878": ["responder:19878", "responder-1:19878"],
    "localhost:9090": ["prometheus:9090", "prometheus-1:9090"],
    "alertmanager:9093": ["alertmanager:9093", "alertmanager-1:9093"],
}

#: VictoriaMetrics keeps one sample a series and second: the shortest scrape interval, so that nothing else is lost.
DEDUPLICATION = "-dedup.minScrapeInterval=1s"

#: Makes VictoriaMetrics answer as Prometheus does: with what has just arrived; with a sample until it is five minutes
#: old, neither less nor more; and from its data, because what is written late, after an outage, is not in a cache.
SEARCH = (
    "-search.latencyOffset=0s",
    "-search.minStalenessInterval=5m",
    "-search.maxLookback=5m",
    "-search.disableCache",
)


def stores() -> dict[str, dict[str, Any]]:
    """The entry of `remote_write` by store."""
    found: dict[str, dict[str, Any]] = yaml.safe_load(REMOTE_WRITE.read_text(encoding="utf-8"))["stores"]
    return found


def variant(shipped: dict[str, Any], replica: str, remote_write: dict[str, Any]) -> dict[str, Any]:
    """One server of the pair: its own replica label, both of everything that there are two of, the store.

    Args:
        shipped: prometheus.yml, parsed; not changed.
        replica: the label by which equal series and alerts of the pair are told apart, and merged.
        remote_write: of the store.
    """
    config = copy.deepcopy(shipped)
    config["global"]["external_labels"] = {"replica": replica}
    for job in [*config["scrape_configs"], *config["alerting"]["alertmanagers"]]:
        for group in job["static_configs"]:
            group["targets"] = [one for target in group["targets"] for one in PAIRS.get(target, [target])]
    config["remote_write"] = [copy.deepcopy(remote_write)]
    return config


def for_two_responders(alertmanager: dict[str, Any]) -> dict[str, Any]:
    """Alertmanager's configuration, parsed, with both responders told: they share a ledger, so one of them acts."""
    config = copy.deepcopy(alertmanager)
    for receiver in config["receivers"]:
        if receiver["name"] == "responder":
            (webhook,) = receiver["webhook_configs"]
            receiver["webhook_configs"] = [
                {**webhook, "url": webhook["url"].replace("responder:19878", target)}
                for target in PAIRS["responder:19878"]
            ]
    return config


def second_responder(shipped: dict[str, Any]) -> dict[str, Any]:
    """It asks the second Prometheus, and keeps alerts firing in both Alertmanagers, which do not tell each other.

    Args:
        shipped: responder.yml, parsed; not changed.
    """
    config = copy.deepcopy(shipped)
    config["prometheus"]["url"] = f"http://{PAIRS['localhost:9090'][1]}"
    config["alertmanagers"] = [{"url": f"http://{address}"} for address in PAIRS["alertmanager:9093"]]
    config["allowed_hosts"] = sorted({*shipped["allowed_hosts"], *PAIRS["alertmanager:9093"]})
    return config


def main(target: Path = RENDERED, store: str = "victoriametrics") -> int:
    """Write what the services of profile scale read."""
    target.mkdir(parents=True, exist_ok=True)
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    for replica in REPLICAS:
        _write(target / f"{replica}.yml", variant(shipped, replica, stores()[store]))
    alertmanager = yaml.safe_load((ALERTMANAGER / "alertmanager.yml").read_text(encoding="utf-8"))
    _write(target / "alertmanager.yml", for_two_responders(alertmanager))
    shutil.copytree(ALERTMANAGER / "templates", target / "templates", dirs_exist_ok=True)
    responder = yaml.safe_load(RESPONDER.read_text(encoding="utf-8"))
    _write(target / "responder-1.yml", second_responder(responder))
    sys.stdout.write(f"{target}: two Prometheus servers that write to {store}, and what belongs to them\n")
    return 0


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m deploy.scale", description=__doc__)
    parser.add_argument("store", nargs="?", choices=stores(), default="victoriametrics")
    sys.exit(main(store=parser.parse_args().store))
