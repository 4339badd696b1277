"""Traffic and limits of a platform that has them in PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.app import Exporter
from exporter.collectors.traffic_views import limits_sql, requests_sql
from exporter.config import Absent, Config, Platform, RateLimits
from exporter.traffic_sources import Traffic
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from tests.contract.applying import CONTRACT, FILES
from tests.contract.drafting import create
from tests.contract.plans import plan, whole_reads
from tests.exporter.collectors.test_traffic import lacks, problems, scrape
from tests.exporter.web.serving import exporter_of

NO_REDIS = "redis://127.0.0.1:1"
MINUTE = datetime(2025, 11, 28, 19, 20, tzinfo=UTC)
"""The one that has not ended; it is 25 seconds old, and rows of the last are no more expected."""
NOW = MINUTE.timestamp() + 25
NO_KEYS = Absent(keys=("traffic:requests", "traffic:clients", "ratelimit:limits", "ratelimit:blocked"))
CONFIG = Config(
    probes={},
    traffic=Traffic(requests="view", clients="view"),
    rate_limits=RateLimits(adapter="view"),
    platform=Platform(absent=NO_KEYS),
)
LIMITS = {("rate_limit_requests_per_minute", "global"): 10_000, ("rate_limit_requests_per_minute", "client"): 100}
# As contract/README.md has it.
PLATFORM = """
    CREATE SCHEMA IF NOT EXISTS monitoring;
    CREATE TABLE calls (at timestamptz, address text, n bigint);
    CREATE INDEX ON calls (at) INCLUDE (address, n);
    CREATE TABLE blocks (address text, ends timestamptz);
    CREATE INDEX ON blocks (ends) INCLUDE (address);
    CREATE TABLE limits (scope text, n numeric);
    CREATE VIEW monitoring.requests AS SELECT at AS timestamp, address AS client, n AS requests FROM calls;
    CREATE VIEW monitoring.blocked_clients AS SELECT address AS client, ends AS blocked_until FROM blocks;
    CREATE VIEW monitoring.rate_limits AS SELECT scope, n AS requests_per_minute FROM limits;
    GRANT USAGE ON SCHEMA monitoring TO monitoring_reader;
    GRANT SELECT ON monitoring.requests, monitoring.blocked_clients, monitoring.rate_limits TO monitoring_reader"""


@pytest.fixture(scope="module")
def served(postgres: Postgres) -> Iterator[ContractDatabase]:
    postgres.create_database("traffic_views")
    postgres.execute(FILES[0].read_text(), "traffic_views")
    postgres.execute(PLATFORM, "traffic_views")
    yield ContractDatabase(postgres, "traffic_views")
    postgres.drop_database("traffic_views")


@pytest.fixture
def platform(served: ContractDatabase) -> ContractDatabase:
    empty(served)
    return served


def empty(platform: ContractDatabase) -> None:
    platform.server.execute(
        "TRUNCATE calls, blocks, limits; INSERT INTO limits VALUES ('global', 10000), ('client', 100)", platform.name
    )


@pytest.fixture
def started(platform: ContractDatabase) -> Iterator[Callable[..., Exporter]]:
    exporters: list[Exporter] = []

    def start(config: Config = CONFIG, clock: Callable[[], float] = lambda: NOW) -> Exporter:
        exporters.append(exporter_of(platform.reader_dsn, NO_REDIS, config, clock))
        return exporters[-1]

    yield start
    for exporter in exporters:
        exporter.close()


def call(platform: ContractDatabase, *rows: tuple[float, str | None, int | None]) -> None:
    """Requests: seconds before the minute that has not ended, who, and how many."""
    insert(platform, "calls", [(MINUTE - timedelta(seconds=ago), who, n) for ago, who, n in rows])


def block(platform: ContractDatabase, *rows: tuple[str | None, float]) -> None:
    """Blocks: of whom, and the seconds that they last still."""
    now = datetime.fromtimestamp(NOW, UTC)
    insert(platform, "blocks", [(who, now + timedelta(seconds=left)) for who, left in rows])


def insert(platform: ContractDatabase, table: str, rows: list[tuple[object, ...]]) -> None:
    connection = psycopg2.connect(platform.dsn)
    with connection, connection.cursor() as cursor:
        for row in rows:
            cursor.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})", row)
    connection.close()


def test_whole_minutes(platform: ContractDatabase, started: Callable[..., Exporter]) -> None:
    call(platform, (60, "a", 40), (1, "a", 2), (0.000001, "b", 5), (60.000001, "b", 7), (300, "a", 100))
    call(platform, (300.000001, "a", 1000), (0, "a", 1000), (-10, "b", 1000), (30, None, 3), (30, "a", 0))
    block(platform, ("c", 60), ("b", 0.000001), ("d", 0), ("e", -1))
    exporter = started()
    assert scrape(exporter) == LIMITS | {
        ("api_requests_per_minute",): 40 + 2 + 5 + 3,
        ("client_requests", "a", "5m"): 142,
        ("client_requests", "b", "5m"): 12,
        ("client_requests_per_minute", "a"): 42,
        ("client_requests_per_minute", "b"): 5,
        ("rate_limited_clients",): 2,
        ("rate_limit_blocked_until_timestamp_seconds", "c"): NOW + 60,
        ("rate_limit_blocked_until_timestamp_seconds", "b"): NOW + 0.000001,
    }
    assert problems(exporter) == []


def test_of_a_minute_without_rows_nothing_is_known(
    platform: ContractDatabase, started: Callable[..., Exporter]
) -> None:
    exporter = started()
    nothing_blocked = LIMITS | {("rate_limited_clients",): 0}
    assert scrape(exporter) == nothing_blocked
    call(platform, (61, "a", 40))  # the minute before
    assert scrape(started()) == nothing_blocked
    call(platform, (60, None, 0))  # and one that says so
    assert scrape(started()) == nothing_blocked | {
        ("api_requests_per_minute",): 0,
        ("client_requests", "a", "5m"): 40,
        ("client_requests_per_minute", "a"): 0,
    }


def test_a_minute_is_read_until_it_is_settled_and_again_when_the_next_has_ended(
    platform: ContractDatabase, started: Callable[..., Exporter]
) -> None:
    now = [MINUTE.timestamp() + 1]
    exporter = started(clock=lambda: now[0])
    requests = ("api_requests_per_minute",)
    assert requests not in scrape(exporter)
    for expected, seconds in ((10, 5), (20, 19.9), (30, 20), (30, 40), (30, 59.9)):
        now[0] = MINUTE.timestamp() + seconds
        call(platform, (10, "a", 10))
        assert scrape(exporter)[requests] == expected, seconds
    now[0] = MINUTE.timestamp() + 60
    assert requests not in scrape(exporter)
    call(platform, (-30, "a", 7))
    found = scrape(exporter)
    assert (found[requests], found["client_requests", "a", "5m"]) == (7, 57)


def test_the_ten_busiest_with_ties_by_name(platform: ContractDatabase, started: Callable[..., Exporter]) -> None:
    call(platform, *[(70, f"10.0.0.{n:02}", 7) for n in range(12)], (10, "10.0.0.11", 1))
    found = scrape(started())
    total = [key[1] for key in found if key[0] == "client_requests"]
    assert total == ["10.0.0.11", *[f"10.0.0.{n:02}" for n in range(9)]]
    assert found["client_requests_per_minute", "10.0.0.00"] == 0


def test_values_that_cannot_be_cost_themselves_alone(
    platform: ContractDatabase, started: Callable[..., Exporter]
) -> None:
    call(platform, (10, "a", -5), (10, "b", None), (10, "c", 2**53), (10, "", 4), (10, "d", 2**53 - 1), (10, "d", 0))
    insert(platform, "blocks", [("", "infinity"), ("x", "infinity"), ("", "2100-01-01"), (None, "2100-01-01")])
    block(platform, ("y", 60), ("y", 30))
    exporter = started()
    found = scrape(exporter)
    assert found == LIMITS | {
        ("api_requests_per_minute",): 2**53 + 3,
        ("client_requests", "d", "5m"): 2**53 - 1,
        ("client_requests_per_minute", "d"): 2**53 - 1,
        ("rate_limited_clients",): 1,
        ("rate_limit_blocked_until_timestamp_seconds", "y"): NOW + 60,
    }
    assert problems(exporter) == []
    text = exporter.scraper.scrape(["traffic"], 20).text.decode()
    assert 'ticketing_exporter_rejected_values{collector="traffic"} 9' in text


def test_long_names_that_begin_alike_stay_two(platform: ContractDatabase, started: Callable[..., Exporter]) -> None:
    long = "x" * 2000
    call(platform, (10, long + "1", 1), (10, long + "2", 2))
    block(platform, (long + "1", 60), (long + "2", 60))
    found = scrape(started())
    for metric in ("client_requests_per_minute", "rate_limit_blocked_until_timestamp_seconds"):
        names = {key[1] for key in found if key[0] == metric}
        assert len(names) == 2
        assert max(map(len, names)) < 200


@pytest.mark.parametrize(
    ("rows", "found", "told"),
    [
        ("('global', 5)", {"global": 5}, []),
        ("('global', 'NaN'), ('client', 7)", {"client": 7}, ["global is not a number from 0 on"]),
        ("('global', -1), ('client', 7)", {"client": 7}, ["global is not a number from 0 on"]),
        ("('global', NULL), ('client', 0), ('Global', 3), (NULL, 4)", {"client": 0}, []),
        ("('client', 1), ('client', 1)", {}, ["more than one row is client"]),
    ],
)
def test_limits(
    platform: ContractDatabase, started: Callable[..., Exporter], rows: str, found: dict[str, float], told: list[str]
) -> None:
    platform.server.execute(f"TRUNCATE limits; INSERT INTO limits VALUES {rows}", platform.name)
    exporter = started()
    limits = {key[1]: value for key, value in scrape(exporter).items() if key[0] == "rate_limit_requests_per_minute"}
    assert limits == found
    assert problems(exporter) == [f"monitoring.rate_limits: {problem}" for problem in told]


def test_only_what_is_configured_is_read(platform: ContractDatabase, started: Callable[..., Exporter]) -> None:
    call(platform, (10, "a", 5))
    told = RateLimits(adapter="view", client_per_minute=70)
    gone = "monitoring.rate_limits, monitoring.blocked_clients"
    platform.server.execute(f"REVOKE SELECT ON {gone} FROM monitoring_reader", platform.name)
    absent = Absent(keys=NO_KEYS.keys, features=("blocked_clients",))
    config = Config(probes={}, traffic=Traffic(requests="view"), rate_limits=told, platform=Platform(absent=absent))
    exporter = started(config)
    expected = {("api_requests_per_minute",): 5, ("rate_limit_requests_per_minute", "client"): 70}
    found, why = scrape(exporter), problems(exporter)
    platform.server.execute(f"GRANT SELECT ON {gone} TO monitoring_reader", platform.name)
    assert (found, why) == (expected, [])
    assert lacks(exporter) == {"clients", "traffic:clients", "blocked_clients", "ratelimit:blocked"}


def test_a_view_that_is_not_there_costs_what_it_tells(
    platform: ContractDatabase, started: Callable[..., Exporter]
) -> None:
    platform.server.execute("ALTER VIEW monitoring.requests RENAME TO elsewhere", platform.name)
    try:
        exporter = started()
        assert scrape(exporter) == LIMITS | {("rate_limited_clients",): 0}
        (problem,) = problems(exporter)
        assert 'relation "monitoring.requests" does not exist' in problem
    finally:
        platform.server.execute("ALTER VIEW monitoring.elsewhere RENAME TO requests", platform.name)


def test_a_view_that_hangs_is_cancelled(platform: ContractDatabase, started: Callable[..., Exporter]) -> None:
    exporter = started()
    scrape(exporter)
    platform.server.execute(
        "CREATE OR REPLACE VIEW monitoring.blocked_clients AS"
        " SELECT address AS client, ends AS blocked_until FROM blocks, pg_sleep(60)",
        platform.name,
    )
    try:
        exporter.scraper.scrape(["traffic"], 1)
        assert any("cancelled" in problem or "no answer" in problem for problem in problems(exporter))
    finally:
        platform.server.execute(
            "CREATE OR REPLACE VIEW monitoring.blocked_clients AS"
            " SELECT address AS client, ends AS blocked_until FROM blocks",
            platform.name,
        )
    assert scrape(exporter)["rate_limited_clients",] == 0
    assert problems(exporter) == []


def test_a_reload_takes_another_source_up(platform: ContractDatabase, started: Callable[..., Exporter]) -> None:
    call(platform, (10, "a", 5))
    exporter = started(Config(probes={}, rate_limits=RateLimits(adapter="none"), platform=Platform(absent=NO_KEYS)))
    assert "traffic" not in exporter.scraper.sections
    exporter.apply(CONFIG)
    assert scrape(exporter)["api_requests_per_minute",] == 5


def test_ranges_of_the_indexes_are_read(platform: ContractDatabase) -> None:
    platform.server.execute(
        "INSERT INTO calls SELECT timestamptz '2025-11-28 12:00Z' + n * interval '1 s', 'c' || n % 90, 1"
        " FROM generate_series(1, 40000) AS n; INSERT INTO blocks SELECT 'c' || n, timestamptz '2025-11-28 12:00Z'"
        " + n * interval '1 s' FROM generate_series(1, 40000) AS n; ANALYZE calls, blocks",
        platform.name,
    )
    last = int(MINUTE.timestamp()) // 60 - 1
    for sql in (
        requests_sql(last, of_clients=True),
        requests_sql(last, of_clients=False),
        limits_sql(round(NOW * 1e6), limits=True, blocks=True),
    ):
        assert whole_reads(plan(platform, (sql, ())), ("calls", "blocks")) == [], sql


def test_the_views_of_the_guide(postgres: Postgres) -> None:
    guide = (CONTRACT / "README.md").read_text().partition("## Traffic from elsewhere")[2]
    (sql,) = re.findall(r"```sql\n(.*?)```", guide.partition("\n## ")[0], re.S)
    database = create(
        postgres,
        "guide_traffic",
        "CREATE SCHEMA shop; CREATE SCHEMA monitoring; CREATE TABLE shop.access_log (at timestamptz, client_ip inet);"
        "CREATE TABLE shop.blocks (client_ip inet, ends_at timestamptz);"
        "GRANT USAGE ON SCHEMA monitoring TO monitoring_reader",
        "INSERT INTO shop.access_log SELECT date_trunc('minute', now()) - n * interval '50 ms',"
        " '10.0.0.0'::inet + (n % 250) FROM generate_series(1201, 60000) AS n",
        *[statement for statement in sql.split(";\n") if statement.strip()],
    )
    postgres.execute("VACUUM (ANALYZE)", database.name)
    config = msgspec.structs.replace(CONFIG, rate_limits=RateLimits(adapter="view", client_per_minute=100))
    # The last whole minute has no rows but that of the view.
    with closing(psycopg2.connect(database.dsn)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM max(at))::float8 + 100 FROM shop.access_log")
        ((now,),) = cursor.fetchall()
    exporter = exporter_of(database.reader_dsn, NO_REDIS, config, lambda: now)
    found = scrape(exporter)
    exporter.close()
    assert found["api_requests_per_minute",] == 0
    assert [found[key] for key in found if key[0] == "client_requests"] == [4 * 1200 // 250 + 1] * 10
    assert found["rate_limited_clients",] == 0
    last = int(now) // 60 - 1
    nodes = plan(database, (requests_sql(last, of_clients=True), ()))
    assert whole_reads(nodes, ("access_log",)) == []
    postgres.drop_database(database.name)


CALLS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.5, 1.0, 59.5, 60.0, 60.5, 119.5, 299.5, 300.0, 300.5]),
        st.sampled_from([None, *map("10.0.0.{:02}".format, range(14))]),
        st.integers(0, 5),
    ),
    max_size=60,
)


@given(CALLS)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_python_counts(platform: ContractDatabase, calls: list[tuple[float, str | None, int]]) -> None:
    empty(platform)
    call(platform, *calls)
    exporter = exporter_of(platform.reader_dsn, NO_REDIS, CONFIG, lambda: NOW)
    found = {key: value for key, value in scrape(exporter).items() if "limit" not in key[0]}
    exporter.close()
    last = [(who, n) for ago, who, n in calls if 0 < ago <= 60]
    expected: dict[tuple[str, ...], float] = {}
    if last:
        expected["api_requests_per_minute",] = sum(n for _, n in last)
        totals: dict[str, int] = {}
        for ago, who, n in calls:
            if who is not None and 0 < ago <= 300:
                totals[who] = totals.get(who, 0) + n
        ranked = sorted(((who, n) for who, n in totals.items() if n), key=lambda item: (-item[1], item[0]))[:10]
        for who, total in ranked:
            expected["client_requests", who, "5m"] = total
            expected["client_requests_per_minute", who] = sum(n for name, n in last if name == who)
    assert found == expected
