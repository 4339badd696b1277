"""Gives Prometheus a past: what it would have scraped, had it and the exporter been there all the time.

The real collectors run at instants of the past, against the platform's real rows and against what Redis would
have held then. Probe results cannot be had afterwards, so the section health has no past.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from redis import Redis

from common.secret_text import SecretText
from demo.configs import sections_by_job
from demo.openmetrics import create_blocks, import_samples, write_scrape
from demo.past import world
from exporter.app import Exporter
from exporter.collectors.freshness import FUTURE, NEWEST
from exporter.config import load
from simulator.redis_state import write_redis_at
from simulator.world import World

#: Between two scrapes. Prometheus takes a value for gone after five minutes.
STEP_SECONDS = 120

#: Scraped at every second step only: they take as long as all others together.
SLOW_JOBS = {"ticketing-aggregates"}

#: Of one scrape; generous, since the first one reads a day of rows.
TIMEOUT_SECONDS = 60.0


class Replay:
    """The platform's Redis and the exporter at instants of the past.

    Args:
        platform: What Redis is told.
        redis: URL of a Redis database that nobody else uses.
        postgres: Connection string for the exporter.
        config: The exporter's configuration file.
    """

    def __init__(self, platform: World, redis: str, postgres: str, config: Path) -> None:
        self._now = 0.0
        self._platform = platform
        self._redis: Redis = Redis.from_url(redis, decode_responses=True)
        self._exporter = Exporter(
            load(config),
            postgres_dsn=SecretText("POSTGRES_DSN", {"POSTGRES_DSN": postgres}),
            redis_url=SecretText("REDIS_URL", {"REDIS_URL": redis}),
            clock=lambda: self._now,
            at_another_time=True,
        )
        self._threads = ThreadPoolExecutor(4)

    def scrape(self, jobs: Mapping[str, Sequence[str]], instant: float) -> dict[str, str]:
        """What each job would have been answered.

        Args:
            jobs: Sections by job.
            instant: Unix seconds, later than in the call before.
        """
        write_redis_at(self._redis, datetime.fromtimestamp(instant, UTC), self._platform)
        self._now = instant
        answers = self._threads.map(
            lambda sections: self._exporter.scraper.scrape(sections, TIMEOUT_SECONDS), jobs.values()
        )
        return {job: without_future(answer.text.decode()) for job, answer in zip(jobs, answers, strict=True)}

    def close(self) -> None:
        """End its connections and threads."""
        self._threads.shutdown()
        self._exporter.close()
        self._redis.flushdb()
        self._redis.close()


def without_future(exposition: str) -> str:
    """Without what is told of rows from the future: what happened after the instant is in the database already."""
    lines = exposition.splitlines(keepends=True)
    return "".join(line for line in lines if FUTURE.name not in line and NEWEST.name not in line)


def steps(hours: float, half: str) -> range:
    """How many steps before the end the scrapes of one half of the hours are, oldest first."""
    count = int(hours * 3600 / STEP_SECONDS)
    return range(count, count // 2, -1) if half == "first" else range(count // 2, -1, -1)


def main() -> None:
    """Write the blocks into Prometheus's data directory."""
    options = _arguments()
    config: dict[str, Any] = yaml.safe_load(options.prometheus_config.read_text())
    jobs = {job: [s for s in sections if s != "health"] for job, sections in sections_by_job(config).items()}
    labels = target_labels(config)
    platform = world(options.preset, datetime.fromtimestamp(options.started, UTC))
    replay = Replay(platform, options.redis, options.postgres, options.exporter_config)
    scrapes = options.prometheus_config.with_name(f"{options.half}.openmetrics")
    with scrapes.open("w") as file:
        for step in steps(options.hours, options.half):
            # The last is of the present, so that what has changed meanwhile is in Prometheus from its start.
            instant = options.end - step * STEP_SECONDS if step else time.time()
            due = {job: sections for job, sections in jobs.items() if job not in SLOW_JOBS or step % 2 == 0}
            for job, exposition in replay.scrape(due, instant).items():
                write_scrape(file, exposition, labels[job], instant)
        file.write("# EOF\n")
    replay.close()
    create_blocks(scrapes, options.prometheus_data)
    if options.store is not None:
        import_samples(scrapes, options.store)
    scrapes.unlink()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--started", type=float, required=True, help="of the simulator, unix seconds")
    parser.add_argument("--end", type=float, required=True, help="of the past, unix seconds")
    parser.add_argument("--hours", type=float, required=True, help="how far back from the end")
    parser.add_argument("--preset", help="the simulator's")
    parser.add_argument("--store", help="address of a VictoriaMetrics that is to have the same past")
    parser.add_argument("half", choices=["first", "second"], help="of the hours")
    parser.add_argument("postgres", help="connection string, as the exporter has it")
    parser.add_argument("redis", help="URL of a database of its own")
    parser.add_argument("exporter_config", type=Path)
    parser.add_argument("prometheus_config", type=Path)
    parser.add_argument("prometheus_data", type=Path)
    return parser.parse_args()


def target_labels(config: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """By job, the labels that a Prometheus with this configuration gives to what it scrapes of the first target."""
    groups = {job["job_name"]: job["static_configs"][0] for job in config["scrape_configs"]}
    return {
        job: {"instance": group["targets"][0], "job": job, **group.get("labels", {})} for job, group in groups.items()
    }


if __name__ == "__main__":
    main()
