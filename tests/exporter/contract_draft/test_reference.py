"""A reference computed from history: its bins are those of the contract, and drift of the same time from it is 0."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from datetime import UTC, datetime
from io import StringIO

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from exporter.collectors.drift import WEEK, Feature, problem_of
from exporter.contract_draft.reference import Seen, _see, cuts_of, period, reference
from exporter.windows import MICROSECONDS, Range
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.web.serving import clean_environment, exporter_of, secret

MODEL = "INSERT INTO platform.model_versions (model_version, trained_at, is_active) VALUES ('it''s \\new', now(), true)"
ODD = 'o\'dd "na\\me" :x\n; --'
# n % 10 by name and kind: numbers of many and of few values, flags, texts, NULL, and what no float can hold.
FEATURES = f"""jsonb_build_object(
    'age', sqrt(n), 'few', n % 3, 'flag', n % 9 = 0, {ODD!r}::text, (ARRAY['a', 'b''c', 'd\\e'])[n % 3 + 1],
    'sometimes', CASE WHEN n % 4 = 0 THEN n END, 'never', NULL, 'name', md5(n::text), 'vast', 7,
    'mixed', CASE WHEN n % 10 = 0 THEN to_jsonb('text'::text) ELSE to_jsonb(n % 5) END)"""
ROWS = 3000


def fill(database: ContractDatabase, *statements: str) -> None:
    database.add_partitions(days_back=ROWS * 2 // 1440 + 1)
    connection = psycopg2.connect(database.dsn)
    with connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


def history(features: str) -> str:
    return (
        "INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision, features)"
        f" SELECT now() - n * interval '2 min', 't' || n, 0.1, 'APPROVED', {features}"
        f" FROM generate_series(1, {ROWS}) AS n"
    )


def computed(database: ContractDatabase, asked: Range) -> tuple[int, str, str]:
    output, errors = StringIO(), StringIO()
    status = reference(secret("POSTGRES_DSN", database.reader_dsn), asked, output, errors)
    return status, output.getvalue(), errors.getvalue()


def week() -> Range:
    now = round(time.time() * MICROSECONDS)
    return Range(now - WEEK * MICROSECONDS, now)


@pytest.fixture
def platform(database: ContractDatabase) -> ContractDatabase:
    features = FEATURES.replace(
        repr(ODD), "E'" + ODD.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n") + "'"
    )
    vast = (
        "UPDATE platform.fraud_predictions SET features = features || '{\"vast\": 1e400}' WHERE transaction_id = 't7'"
    )
    fill(database, MODEL, history(features), vast)
    return database


@pytest.mark.usefixtures("redis_client")
def test_drift_of_the_same_time_is_0(platform: ContractDatabase, redis_server: Redis) -> None:
    asked = week()
    status, sql, errors = computed(platform, asked)
    assert (status, errors) == (0, "")
    fill(platform, sql, sql)  # applied again it is the same
    exporter = exporter_of(platform.reader_dsn, redis_server.url(), clock=lambda: asked.end / MICROSECONDS)
    text = exporter.scraper.scrape(["model"], 60).text.decode()
    problems = exporter.scraper.statuses()["model"].problems
    exporter.close()
    assert not problems
    drift = {
        sample.labels["feature"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "ticketing_model_feature_drift_nats"
    }
    assert drift.keys() == {"age", "few", "flag", ODD, "sometimes", "vast", "mixed"}
    assert max(drift.values()) == pytest.approx(0, abs=1e-12)


def test_counts_are_those_of_plain_sql(platform: ContractDatabase) -> None:
    _, sql, _ = computed(platform, week())
    fill(platform, sql)
    connection = psycopg2.connect(platform.dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT feature, kind, cuts, categories, ref_counts FROM monitoring.feature_reference")
        found = {name: row for name, *row in cursor.fetchall()}
        cursor.execute(
            "SELECT count(*) FILTER (WHERE n % 9 > 0), count(*) FILTER (WHERE n % 9 = 0),"
            f" count(*) FILTER (WHERE n % 4 > 0) FROM generate_series(1, {ROWS}) AS n"
        )
        ((unset, flags, unknown),) = cursor.fetchall()
    connection.close()
    assert found["flag"] == ["boolean", None, None, [unset, flags, 0]]
    assert found["few"] == ["numeric", [1.0, 2.0], None, [ROWS // 3] * 3 + [0]]
    assert found[ODD] == ["categorical", None, ["a", "b'c", "d\\e"], [ROWS // 3] * 3 + [0, 0]]
    kind, cuts, _, counts = found["sometimes"]
    assert (kind, len(cuts), counts[-1]) == ("numeric", 9, unknown)
    assert max(counts[:-1]) - min(counts[:-1]) <= 2
    assert found["vast"][3] == [ROWS - 1, 1]  # no float can hold it
    assert found["mixed"][3][-1] == ROWS // 10


def test_what_is_left_out_is_said(platform: ContractDatabase) -> None:
    _, sql, _ = computed(platform, week())
    left_out = [line for line in sql.splitlines() if line.startswith("-- Left out")]
    assert left_out == [f"-- Left out: 'name' has {ROWS} different texts", "-- Left out: 'never' has no values"]


def test_a_time_without_predictions(platform: ContractDatabase) -> None:
    ago = round(time.time() - 30 * 86400) * MICROSECONDS
    status, sql, errors = computed(platform, Range(ago, ago + MICROSECONDS))
    assert (status, sql) == (1, "")
    assert "no feature has values" in errors


@pytest.mark.parametrize("models", [0, 2])
def test_it_is_of_exactly_one_model(database: ContractDatabase, models: int) -> None:
    fill(database, "DROP INDEX platform.model_versions_one_active", history("'{\"a\": 1}'::jsonb"))
    fill(database, *[MODEL.replace("new", f"new{number}") for number in range(models)])
    status, sql, errors = computed(database, week())
    assert (status, sql) == (1, "")
    assert f"{models} models are active" in errors


def test_without_rights(platform: ContractDatabase) -> None:
    fill(platform, "REVOKE SELECT ON monitoring.fraud_predictions FROM monitoring_reader")
    status, sql, errors = computed(platform, week())
    assert (status, sql) == (1, "")
    assert "permission denied" in errors


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=200))
def test_any_numbers_give_bins_that_can_be_used(values: list[float]) -> None:
    cuts = cuts_of(values)
    assert problem_of(Feature("x", "numeric", cuts, (), (1,) * (len(cuts) + 2))) is None
    assert all(min(values) < cut <= max(values) for cut in cuts)
    assert (len(cuts) == 0) == (len(set(values)) == 1)


@given(st.lists(st.one_of(st.booleans(), st.floats(allow_nan=False), st.text(), st.none()), max_size=50))
def test_any_values_give_one_kind_or_none(values: list[object]) -> None:
    seen = Seen()
    for value in json.loads(json.dumps([v for v in values if not (isinstance(v, float) and math.isinf(v))])):
        _see(seen, value)
    feature = seen.feature("x")
    if feature is not None:
        assert (
            problem_of(Feature(feature.name, feature.kind, feature.cuts, feature.categories, (1,) * feature.bins))
            is None
        )


@pytest.mark.parametrize(
    ("since", "until", "seconds"),
    [
        ("2025-11-01", "2025-11-02", 86400),
        ("2025-11-01T00:00", "2025-11-01T01:00+01:00", 0),
        ("2025-11-01T00:00:00Z", "2025-11-01T00:00:01", 1),
    ],
)
def test_periods(since: str, until: str, seconds: int) -> None:
    if not seconds:
        with pytest.raises(ValueError, match="is not before"):
            period(since, until)
        return
    start, end = period(since, until)
    assert end - start == seconds * MICROSECONDS
    assert datetime.fromtimestamp(start / MICROSECONDS, UTC) == datetime(2025, 11, 1, tzinfo=UTC)


def test_the_command(platform: ContractDatabase) -> None:
    def run(*bounds: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "exporter", "--contract.reference", *bounds]
        environment = {**clean_environment(), "POSTGRES_DSN": platform.reader_dsn}
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)

    bad = run("yesterday", "2025-11-02")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.startswith("ticketing-exporter: --contract.reference: Invalid isoformat string: 'yesterday'")
    bounds = [datetime.fromtimestamp(bound / MICROSECONDS, UTC).isoformat() for bound in week()]
    good = run(*bounds)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.endswith("COMMIT;\n")
