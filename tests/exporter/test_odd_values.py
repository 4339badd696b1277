"""One odd value in any column of any view costs itself and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import psycopg2.extras
import pytest
import redis

from contract.definition import VIEWS
from exporter.app import Exporter
from exporter.collectors import SECTIONS
from exporter.config import Config
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.platform_truth import Samples, parse
from tests.exporter.web.serving import secret

ROWS = 600
GOOD = f"""
    INSERT INTO platform.model_versions
    VALUES ('v1', now(), true, 0.67, 0.89, 0.76, 0.6, 0.8, now() + interval '1 day');
    INSERT INTO platform.feature_reference VALUES
        ('v1', 'age', 'numeric', '{{10,20}}', NULL, '{{100,110,90,0}}'),
        ('v1', 'foreign', 'boolean', NULL, NULL, '{{100,100,0}}'),
        ('v1', 'payment', 'categorical', NULL, '{{card}}', '{{100,100,0}}');
    INSERT INTO platform.fraud_predictions
        (predicted_at, transaction_id, fraud_score, decision, model_version, features)
    SELECT now() - interval '1 minute', 't' || n, n % 10 / 10.0, (ARRAY['APPROVED', 'REVIEW', 'BLOCKED'])[n % 3 + 1],
           'v1', jsonb_build_object('age', n % 30, 'foreign', n % 2 = 0, 'payment', 'card')
    FROM generate_series(1, {ROWS}) AS n;
    INSERT INTO platform.fraud_labels
    SELECT 't' || n, now() - interval '1 minute', 'BLOCKED', n % 2 = 0, now() FROM generate_series(1, 9) AS n;
    INSERT INTO platform.transactions
    SELECT now() - interval '1 minute', 't' || n, 'purchase', 10, 1 FROM generate_series(1, 9) AS n;
    INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account)
    SELECT now() - interval '1 minute', 'HIGH', 'mfa_failed', 'm', 'alice' FROM generate_series(1, 3);
    INSERT INTO platform.event_launches VALUES ('e', 'E', now() - interval '1 hour', now() + interval '1 hour');
"""
TEXTS = ("''", "NULL", "repeat('x', 10000)", "E'\\n\\t\\\"\\\\'", "'null'", "'🎫'")
TIMES = ("NULL", "'infinity'", "'-infinity'", "'0044-03-15Z BC'", "'294276-12-31Z'", "'20000-01-01Z'")
FLOATS = ("NULL", "'NaN'", "'Infinity'", "'-Infinity'", "1e308", "-1e308", "1e-300", "-0.0")
ODD: dict[str, tuple[str, ...]] = {
    "text": TEXTS,
    "timestamp with time zone": TIMES,
    "double precision": FLOATS,
    "numeric": (*FLOATS, "1e400", "-1e400", "1e-400", str(2**256 - 1)),
    "boolean": ("NULL",),
    "bigint": ("NULL", str(2**63 - 1), str(-(2**63))),
    "uuid": ("NULL",),
    "bigint[]": ("NULL", "'{}'", "'{NULL}'", "'{-1}'", f"'{{{2**63 - 1},{2**63 - 1},1,1}}'", "'{{1},{2}}'"),
    "double precision[]": ("NULL", "'{}'", "'{NaN}'", "'{NULL}'", "'{Infinity}'", "'{2,1}'", "'{{1},{2}}'"),
    "text[]": ("NULL", "'{}'", "'{NULL}'", "'{{a},{b}}'"),
    "jsonb": (
        "NULL",
        "'null'",
        "'[]'",
        "'7'",
        "'\"{}\"'",
        *(
            f'\'{{"age": {value}, "foreign": {value}, "payment": {value}}}\''
            for value in ("1e400", "-1e400", "1e-400", "null", '"NaN"', '"1"', "[]", "{}", "-0.0", "true")
        ),
    ),
}
CASES = [(view, column, odd) for view, columns in VIEWS.items() for column, (kind, *_) in columns.items()
         for odd in ODD[kind]]  # fmt: skip
AMOUNT_OF_ONE_ROW = 11
"""What a row adds at most to any value: a good one has an amount of 10 and a fee of 1."""


@pytest.fixture
def exporter(database: ContractDatabase, redis_server: Redis, redis_client: redis.Redis) -> Iterator[Exporter]:
    for minute in range(-6, 2):
        redis_client.eval(
            "local m = math.floor(redis.call('TIME')[1] / 60) + ARGV[1]"
            " redis.call('SET', 'traffic:requests:' .. m, 5) redis.call('ZADD', 'traffic:clients:' .. m, 5, 'c')",
            0,
            minute,
        )
    exporter = Exporter(
        Config(probes={}), postgres_dsn=secret("DSN", database.reader_dsn), redis_url=secret("URL", redis_server.url())
    )
    yield exporter
    exporter.close()


def scrape(exporter: Exporter) -> Samples:
    samples = parse(exporter.scraper.scrape(SECTIONS, 30).text)
    return {key: value for key, value in samples.items() if not key[0].startswith(("ticketing_exporter_", "process_"))}


def open_to_odd_rows(connection: psycopg2.extensions.connection) -> None:
    """Let each view have one row more, from a table whose columns are of the contract's types."""
    with connection, connection.cursor() as cursor:
        cursor.execute(GOOD)
        for view, columns in VIEWS.items():
            types = ", ".join(f'"{column}" {kinds[0]}' for column, kinds in columns.items())
            names = ", ".join(f'"{column}"' for column in columns)
            cursor.execute(f"ALTER VIEW monitoring.{view} RENAME TO {view}_good")
            cursor.execute(f"CREATE TABLE public.{view} ({types})")
            cursor.execute(
                f"CREATE VIEW monitoring.{view} AS SELECT {names} FROM monitoring.{view}_good"
                f" UNION ALL SELECT {names} FROM public.{view}"
            )
            cursor.execute(f"GRANT SELECT ON monitoring.{view} TO monitoring_reader")


def the_row(view: str, column: str, odd: str) -> str:
    """A row like the others but for one column, which is not that of the model in force or of its features."""
    like = f"SELECT * FROM monitoring.{view}_good LIMIT 1"
    others = {
        "model_versions": {"model_version": "'v2'", "is_active": "false"},
        "feature_reference": {"feature": "'another'"},
    }.get(view, {})
    values = others | {column: odd}
    if "timestamp" in VIEWS[view]:
        values = {"timestamp": "now()"} | values
    names = ", ".join(f'"{name}"' for name in VIEWS[view])
    taken = ", ".join(
        f"CAST({values[name]} AS {kinds[0]})" if name in values else f'"{name}"' for name, kinds in VIEWS[view].items()
    )
    return f"INSERT INTO public.{view} ({names}) SELECT {taken} FROM ({like}) AS good"


def differences(before: Samples, after: Samples) -> Iterator[str]:
    for key, value in before.items():
        if key not in after:
            yield f"{key} is gone"
        elif abs(after[key] - value) > AMOUNT_OF_ONE_ROW:
            yield f"{key} was {value}, is {after[key]}"


def test_in_any_column(database: ContractDatabase, exporter: Exporter) -> None:
    connection = psycopg2.connect(database.dsn)
    open_to_odd_rows(connection)
    scrape(exporter)
    before = scrape(exporter)
    assert {name for name, _ in before} >= {
        "ticketing_revenue_usd",
        "ticketing_fraud_predictions",
        "ticketing_model_feature_drift_nats",
        "ticketing_model_predictions",
        "ticketing_admin_mfa_failures",
        "ticketing_client_requests",
    }
    found: list[str] = []
    for view, column, odd in CASES:
        with connection, connection.cursor() as cursor:
            cursor.execute(the_row(view, column, odd))
        after = scrape(exporter)
        problems = [problem for status in exporter.scraper.statuses().values() for problem in status.problems]
        found += [f"{view}.{column} = {odd}: {line}" for line in [*differences(before, after)]]
        found += [f"{view}.{column} = {odd}: {line}" for line in problems if view not in line]
        with connection, connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM public.{view}")
    assert not found, "\n".join(found)
    connection.close()
