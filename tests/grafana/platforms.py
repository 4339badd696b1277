"""A Prometheus with the shipped rules and several platforms in it, and what the dashboards show of each."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from testbed.servers.prometheus import SHIPPED_DIRECTORY, Prometheus
from testbed.viewer.asking import answer
from testbed.viewer.board import Asked, queries
from tests.prometheus.board import target

LIMITS = SHIPPED_DIRECTORY / "rules" / "limits.yml"
LIMIT = "ticketing:limit:by_platform"

Limits = Mapping[str, float | str]
Answer = list[tuple[dict[str, str], float]]


@dataclass(frozen=True)
class Platforms:
    """What a viewer sees who has chosen one of them."""

    prometheus: Prometheus
    rules: Path
    every: str

    def answer(self, platform: str, query: Asked) -> Answer:
        """Labels and last value of each series."""
        return answer(self.prometheus.url, query, {"platform": [platform]})

    def answers(self, platform: str, number: int, ref: str, uid: str = "ticketing") -> Answer:
        """Those to the query of that name, of the panel of that number."""
        (query,) = (each for each in queries(sql=False) if (each.uid, each.number, each.ref) == (uid, number, ref))
        return self.answer(platform, query)

    def shown(self, platform: str, number: int, ref: str, label: str | None = None, uid: str = "ticketing") -> Any:
        """The value of a query's only answer, or one of its labels; None without an answer."""
        answers = self.answers(platform, number, ref, uid)
        assert len(answers) < 2, answers
        return None if not answers else answers[0][1] if label is None else answers[0][0].get(label)

    def set_limits(self, limits: Limits, of_platforms: Mapping[str, Limits]) -> None:
        """Edit limits.yml as a user would, reload, and wait until all of it is in force."""
        (self.rules / "limits.yml").write_text(_edited(limits, of_platforms, self.every))
        requests.post(f"{self.prometheus.url}/-/reload", timeout=10).raise_for_status()
        for name, value in limits.items():
            self.wait_for(f'{LIMIT}{{limit="{name}",platform="main"}} == {value}')
        for platform, own in of_platforms.items():
            for name, value in own.items():
                compared = "unless on () ({} >= 0)" if value == "NaN" else f"== {value}"
                series = f'{LIMIT}{{limit="{name}",platform="{platform}"}}'
                self.wait_for(f"{series} {compared.format(series)}")

    def wait_for(self, query: str, timeout_seconds: float = 120) -> None:
        """Until it has an answer."""
        deadline = time.monotonic() + timeout_seconds
        while not self.prometheus.query(query):
            assert time.monotonic() < deadline, f"no answer in time: {query}"
            time.sleep(0.2)


@contextmanager
def running(
    directory: Path,
    expositions: Mapping[str, str],
    limits: Limits,
    of_platforms: Mapping[str, Limits],
    every_seconds: int = 1,
) -> Iterator[Platforms]:
    """The shipped rules.

    Args:
        directory: for its data.
        expositions: what the exporter of each platform says.
        limits: in place of the shipped ones of these names.
        of_platforms: limits of some of the platforms alone.
        every_seconds: between two evaluations, and between two scrapes.
    """
    every = f"{every_seconds}s"
    rules = directory / "rules"
    rules.mkdir()
    for file in LIMITS.parent.glob("*.yml"):
        (rules / file.name).write_text(_quick(file.read_text(), every))
    (rules / "limits.yml").write_text(_edited(limits, of_platforms, every))
    with ExitStack() as stack:
        addresses = {text: stack.enter_context(target(text)) for text in set(expositions.values())}
        groups = [
            {"targets": [addresses[text]], "labels": {"platform": platform}} for platform, text in expositions.items()
        ]
        config = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": [f"{rules}/*.yml"],
            "scrape_configs": [{"job_name": "ticketing-live", "static_configs": groups}],
        }
        file = directory / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        flags = ["--web.enable-lifecycle"]
        platforms = Platforms(stack.enter_context(Prometheus(file, directory / "data", flags=flags)), rules, every)
        # The limits, and rules that build on others, of every platform.
        platforms.wait_for(f"count(group by (platform) ({LIMIT} offset {3 * every_seconds}s)) == {len(expositions)}")
        platforms.wait_for(f"count(ticketing:probe_success:avg30d) >= {len(expositions)}")
        platforms.wait_for(
            f"count(ticketing:kpi_revenue_per_hour_usd:max offset {2 * every_seconds}s) == {len(expositions)}"
        )
        yield platforms


def _edited(limits: Limits, of_platforms: Mapping[str, Limits], every: str) -> str:
    content = yaml.safe_load(_quick(LIMITS.read_text(), every))
    rules = content["groups"][0]["rules"]
    for rule in rules:
        rule["expr"] = limits.get(rule["labels"]["limit"], rule["expr"])
    for platform, own in of_platforms.items():
        for name, value in own.items():
            rules.append({"record": rules[0]["record"], "labels": {"limit": name, "platform": platform}, "expr": value})
    return yaml.safe_dump(content)


def _quick(rules: str, every: str) -> str:
    return re.sub(r"\binterval: \w+", f"interval: {every}", rules)
