"""One connection to a real PostgreSQL: what it survives."""

from __future__ import annotations

import pytest

from common.deadline import Deadline, DeadlineExceededError
from exporter.sources.postgres import PostgresSource
from exporter.waiting import complete
from testbed.servers.postgres import Postgres
from tests.exporter.web.serving import secret


def test_a_deadline_that_is_over_costs_no_connection(postgres: Postgres) -> None:
    source = PostgresSource(secret("POSTGRES_DSN", postgres.dsn()), "test")

    def backend() -> object:
        return complete(source.query("SELECT pg_backend_pid()", (), Deadline(10)))

    before = backend()
    with pytest.raises(DeadlineExceededError, match=r"PostgreSQL: no answer within 0\.0 s"):
        complete(source.query("SELECT 1", (), Deadline(0)))
    assert backend() == before
    source.close()


@pytest.mark.parametrize("ports", ["port=%d", "port=' %d '", "port=1,%d", "port=%d,"])
def test_ports_as_libpq_takes_them(postgres: Postgres, ports: str) -> None:
    hosts = "127.0.0.1,127.0.0.1" if "," in ports else "127.0.0.1"
    dsn = f"host={hosts} user=postgres dbname=postgres {ports % postgres.port}"
    source = PostgresSource(secret("POSTGRES_DSN", dsn), "test")
    assert complete(source.query("SELECT 1", (), Deadline(10))) == [(1,)]
    source.close()
