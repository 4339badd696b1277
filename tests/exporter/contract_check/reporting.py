"""Runs the check, and reads what it says."""

from __future__ import annotations

from io import StringIO

from exporter.config import Config
from exporter.contract_check import check
from tests.exporter.web.serving import secret


def report(dsn: str, redis_url: str, config: Config | None = None) -> tuple[int, list[str]]:
    """The exit status and the lines, each with single spaces."""
    output = StringIO()
    status = check(secret("POSTGRES_DSN", dsn), secret("REDIS_URL", redis_url), config or Config(), output)
    return status, [" ".join(line.split()) for line in output.getvalue().splitlines()]


def faults(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("ok ") and line not in ("PostgreSQL", "Redis")]
