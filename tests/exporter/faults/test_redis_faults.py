"""Redis breaks in every way it can, while one exporter goes on being scraped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any

import pytest
import redis

from testbed.servers.redis import Redis
from tests.exporter.faults.platform_double import DATABASE, FAULT_SECONDS, Platform, StartExporter, reader_dsn
from tests.exporter.faults.series import REDIS, expect

Fault = Callable[[Platform], AbstractContextManager[None]]


@contextmanager
def stopped(platform: Platform) -> Iterator[None]:
    platform.redis.stop()
    yield
    platform.redis.start()


@contextmanager
def killed(platform: Platform) -> Iterator[None]:
    platform.redis.kill9()
    yield
    platform.redis.start()


@contextmanager
def suspended(platform: Platform) -> Iterator[None]:
    platform.redis.suspend()
    yield
    platform.redis.resume()


@contextmanager
def password_wanted(platform: Platform) -> Iterator[None]:
    """NOAUTH: somebody has set a password that the exporter does not know."""
    with platform.redis.client() as client:
        client.config_set("requirepass", "unknown")
        client.client_kill_filter(_type="normal", skipme=True)
        yield
        client.config_set("requirepass", "")


@contextmanager
def commands_forbidden(platform: Platform) -> Iterator[None]:
    """NOPERM: access control lists let the exporter connect and nothing else."""
    with platform.redis.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-@all", "+client", "+acl", "+hello", "+ping")
        yield
        client.execute_command("ACL", "SETUSER", "default", "+@all")


@contextmanager
def no_connections_left(platform: Platform) -> Iterator[None]:
    with platform.redis.client() as client:
        before: Any = client.config_get("maxclients")
        client.client_kill_filter(_type="normal", skipme=True)
        client.config_set("maxclients", 1)
        client.client_kill_filter(_type="normal", skipme=True)
        yield
        client.config_set("maxclients", before["maxclients"])


class SlowLoading(Redis):
    """Takes a millisecond a key to load its snapshot, and answers -LOADING meanwhile."""

    def command(self) -> Sequence[str]:
        slow = ["--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"]
        return [*super().command(), *slow]

    def ready(self) -> bool:
        with redis.Redis.from_url(self.url(), retry=None, socket_timeout=2) as client:
            try:
                return bool(client.ping())
            except redis.BusyLoadingError:
                return True
            except redis.RedisError:
                return False


@contextmanager
def loading(platform: Platform) -> Iterator[None]:
    """Restarted with a big snapshot."""
    with platform.redis.client() as client, client.pipeline() as pipeline:
        for number in range(6000):
            pipeline.set(f"filler:{number}", "x" * 50)
        pipeline.execute()
        client.save()
    platform.redis.stop()
    slow = SlowLoading(platform.redis.directory, platform.redis.port)
    slow.start()
    yield
    with slow.client() as client:
        loading_state: Any = client.info("persistence")
        assert loading_state["loading"] == 1
    slow.stop()
    (platform.redis.directory / "dump.rdb").unlink()
    platform.redis.start()


@pytest.mark.parametrize(
    "fault", [stopped, killed, suspended, loading, password_wanted, commands_forbidden, no_connections_left]
)
def test_no_answer(platform: Platform, fault: Fault) -> None:
    with fault(platform):
        for _ in range(2):
            expect(platform.scrape(seconds=FAULT_SECONDS), REDIS)
        if fault is not commands_forbidden:
            platform.wait_for_probe("redis_cache", success=False)
            expect(platform.scrape(seconds=FAULT_SECONDS), REDIS)
    platform.write()
    samples = platform.scrape()
    expect(samples)
    platform.agrees(samples)
    platform.wait_for_probe("redis_cache", success=True)


@pytest.mark.parametrize("fault", [stopped, suspended])
def test_down_at_start(platform: Platform, start_exporter: StartExporter, fault: Fault) -> None:
    exporter = start_exporter(reader_dsn(platform.postgres, DATABASE), platform.redis.url())
    starting = Platform(platform.postgres, DATABASE, platform.redis, exporter)
    with closing(exporter):
        with fault(platform):
            exporter.start()
            starting.wait_for_probe("redis_cache", success=False)
            starting.wait_for_history()
            expect(starting.scrape(seconds=FAULT_SECONDS), REDIS)
        platform.write()
        samples = starting.scrape()
        expect(samples)
        platform.agrees(samples)


KPIS = {
    "kpi:txn_per_hour": "ticketing_kpi_transactions_per_hour",
    "kpi:fraud_rate": "ticketing_kpi_fraud_rate_ratio",
    "kpi:latency_p95": "ticketing_kpi_api_latency_p95_seconds",
    "kpi:revenue_per_hour": "ticketing_kpi_revenue_per_hour_usd",
    "kpi:updated_at": "ticketing_kpi_updated_timestamp_seconds",
}
CLIENTS = {"ticketing_client_requests", "ticketing_client_requests_per_minute"}
BLOCKED = {"ticketing_rate_limited_clients", "ticketing_rate_limit_blocked_until_timestamp_seconds"}
LIMITS = {"ticketing_rate_limit_requests_per_minute global", "ticketing_rate_limit_requests_per_minute client"}


@pytest.mark.parametrize(
    ("pattern", "lost"),
    [
        *((key, {name}) for key, name in KPIS.items()),
        ("config:fraud_threshold", {"ticketing_fraud_threshold_ratio review"}),
        ("config:fraud_model", {"ticketing_fraud_model_active"}),
        ("traffic:requests:*", {"ticketing_api_requests_per_minute"}),
        ("traffic:clients:*", CLIENTS),
        ("ratelimit:limits", LIMITS),
        ("ratelimit:blocked", BLOCKED),
    ],
)
def test_key_of_another_type(platform: Platform, pattern: str, lost: set[str]) -> None:
    """WRONGTYPE."""
    with platform.redis.client() as client:
        names: Any = client.keys(pattern)
        for name in names:
            client.delete(name)
            client.rpush(name, "1", "2")
    expect(platform.scrape(seconds=FAULT_SECONDS), lost)
    platform.write()
    samples = platform.scrape()
    expect(samples)
    platform.agrees(samples)


@pytest.mark.parametrize("text", ["many", "", "nan", "inf", "1_000", "12 450", "\x00\xff", "[1247]"])
@pytest.mark.parametrize(
    ("pattern", "lost"),
    [
        ("kpi:*", set(KPIS.values())),
        ("config:fraud_threshold", {"ticketing_fraud_threshold_ratio review"}),
        ("traffic:requests:*", {"ticketing_api_requests_per_minute"}),
    ],
)
def test_text_in_a_number(platform: Platform, pattern: str, text: str, lost: set[str]) -> None:
    with platform.redis.client() as client:
        names: Any = client.keys(pattern)
        client.mset(dict.fromkeys(names, text.encode("latin-1")))
    expect(platform.scrape(seconds=FAULT_SECONDS), lost)


@pytest.mark.parametrize("scope", ["global", "client"])
def test_text_in_a_limit(platform: Platform, scope: str) -> None:
    with platform.redis.client() as client:
        client.hset("ratelimit:limits", f"{scope}_per_minute", "unlimited")
    expect(platform.scrape(seconds=FAULT_SECONDS), {f"ticketing_rate_limit_requests_per_minute {scope}"})


def test_threshold_beyond_its_range(platform: Platform) -> None:
    with platform.redis.client() as client:
        client.set("config:fraud_threshold", "60")
    expect(platform.scrape(seconds=FAULT_SECONDS), {"ticketing_fraud_threshold_ratio review"})


def test_restart_between_scrapes(platform: Platform) -> None:
    """An exporter that was not asked meanwhile does not notice."""
    platform.redis.restart()
    platform.postgres.restart()
    platform.write()
    samples = platform.scrape()
    expect(samples)
    platform.agrees(samples)
