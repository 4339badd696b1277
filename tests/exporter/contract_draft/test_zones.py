"""Times without a zone: the draft finds it by the newest row, by the database's own, and by hours that never were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from tests.contract.drafting import create, drafted

TABLE = "CREATE TABLE public.orders (id bigserial PRIMARY KEY, placed_at timestamp NOT NULL, total numeric);"
# The first hour of the last twelve months in which the clocks of a zone jumped, as a time of UTC.
JUMP = """
    (SELECT min(hour) FROM generate_series(date_trunc('hour', now()) - interval '364 days', now(), '1 hour') AS hour
     WHERE extract(hour FROM hour AT TIME ZONE '{zone}')
           - extract(hour FROM (hour - interval '1 hour') AT TIME ZONE '{zone}') = 2)"""


@pytest.fixture
def empty(postgres: Postgres) -> Iterator[ContractDatabase]:
    database = create(postgres, "zones", TABLE)
    yield database
    postgres.drop_database(database.name)


def fill(database: ContractDatabase, times: str) -> None:
    database.server.execute(
        f"INSERT INTO public.orders (placed_at, total) SELECT {times}, 5 FROM generate_series(0, 200) AS n",
        database.name,
    )


def seen(database: ContractDatabase, directory: Path) -> tuple[str, float]:
    """The zone that the draft takes, and how far its newest row is from now, in seconds."""
    files = drafted(database, directory / "draft")
    value = files["30-views.sql"].partition("placed_at AT TIME ZONE '")[2].partition("'")[0]
    connection = psycopg2.connect(database.dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM now() - max(placed_at AT TIME ZONE %s))::float8 FROM public.orders", (value,)
        )
        ((age,),) = cursor.fetchall()
    connection.close()
    return value, age


@pytest.mark.parametrize(
    "zone", ["UTC", "America/Los_Angeles", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Tokyo", "Pacific/Auckland"]
)
@pytest.mark.parametrize("pause", ["2 seconds", "4 minutes"])
def test_by_the_newest_row(empty: ContractDatabase, tmp_path: Path, zone: str, pause: str) -> None:
    fill(empty, f"(now() - n * interval '{pause}' - interval '{pause}') AT TIME ZONE '{zone}'")
    _, age = seen(empty, tmp_path)
    assert abs(age) < 600


def test_the_database_s_own_of_several_that_fit(empty: ContractDatabase, tmp_path: Path) -> None:
    empty.server.execute(f"ALTER DATABASE {empty.name} SET timezone = 'Africa/Lagos'", empty.name)
    fill(empty, "(now() - n * interval '5 s') AT TIME ZONE 'Africa/Lagos'")
    assert seen(empty, tmp_path)[0] == "Africa/Lagos"


def test_the_zone_whose_skipped_hour_is_empty(empty: ContractDatabase, tmp_path: Path) -> None:
    fill(empty, "(now() - n * interval '5 s') AT TIME ZONE 'Europe/London'")
    night = JUMP.format(zone="Europe/London")
    fill(empty, f"({night} - interval '100 min' + n * interval '1 min') AT TIME ZONE 'Europe/London'")
    assert seen(empty, tmp_path)[0] == "Europe/London"


def test_not_a_zone_in_whose_skipped_hour_there_are_rows(empty: ContractDatabase, tmp_path: Path) -> None:
    empty.server.execute(f"ALTER DATABASE {empty.name} SET timezone = 'Europe/London'", empty.name)
    fill(empty, "(now() - n * interval '5 s') AT TIME ZONE 'UTC'")
    night = JUMP.format(zone="Europe/London")
    fill(empty, f"({night} - interval '100 min' + n * interval '1 min') AT TIME ZONE 'UTC'")
    assert seen(empty, tmp_path)[0] == "UTC"


def test_a_table_whose_newest_row_is_in_the_future_says_nothing(empty: ContractDatabase, tmp_path: Path) -> None:
    fill(empty, "now() AT TIME ZONE 'UTC' + interval '9 days 17 min' + n * interval '1 day'")
    assert seen(empty, tmp_path)[0] == "UTC"
