"""Each query of the wall is measured as PostgreSQL tells its time, and named as its panel is."""

from contextlib import closing

import psycopg2

from benchmarks.dashboard.__main__ import RATES, _name, _report, milliseconds
from testbed.servers.contract import ContractDatabase
from testbed.viewer.board import queries

WALL = [query for query in queries(sql=True) if query.uid == "ticketing"]


def test_every_query_is_measured_and_has_a_name_of_its_own(database: ContractDatabase) -> None:
    with closing(psycopg2.connect(database.reader_dsn)) as connection:
        assert all(milliseconds(connection, query) > 0 for query in WALL)
    assert len({_name(query) for query in WALL}) == len(WALL)


def test_the_last_line_is_the_sum() -> None:
    lines = _report([{"a": 1.25, "b": 2.5} for _ in RATES], others=0.0).splitlines()
    assert lines[-3:] == [
        "| a | 1.25 | 1.25 |",
        "| b | 2.50 | 2.50 |",
        "| all of one refresh (target: 150) | 3.75 | 3.75 |",
    ]
