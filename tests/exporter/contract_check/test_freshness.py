"""Times of rows: in the future, in a wrong zone, or of a stream that has stopped."""

from __future__ import annotations

import re

import pytest

from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.contract_check.reporting import faults, mends, report

HISTORY = """
    SELECT platform.create_partitions((now() AT TIME ZONE 'UTC')::date - 9, (now() AT TIME ZONE 'UTC')::date + 1);
    INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision, features)
    SELECT now() - interval '8 days' + n * interval '5 min', 'h' || n, 0.1, 'APPROVED', '{"flag": true}'
    FROM generate_series(0, 8 * 288 - 1) AS n
    WHERE now() - interval '8 days' + n * interval '5 min' <= now() - interval '%s'"""
VIEW = """
    DROP VIEW monitoring.fraud_predictions; CREATE VIEW monitoring.fraud_predictions AS
    SELECT %s AS "timestamp", transaction_id, fraud_score, decision, top_feature, model_version, wallet,
           host(source_ip) AS source_ip, features
    FROM platform.fraud_predictions; GRANT SELECT ON monitoring.fraud_predictions TO monitoring_reader"""


def of_times(platform: ContractDatabase, redis_server: Redis) -> tuple[int, dict[str, str], list[str]]:
    """Exit status, faults of the prediction's time with how to mend each, and all lines about it."""
    status, lines = report(platform.reader_dsn, redis_server.url())
    about = [line for line in lines if " fraud_predictions.timestamp " in line and not line.endswith("time zone")]
    return status, {fault: mend for fault, mend in mends(lines).items() if fault in about}, about


@pytest.mark.parametrize(
    ("zone", "direction", "hours"),
    [("America/Halifax", "ahead", "4"), ("Asia/Dubai", "behind", "4"), ("Asia/Kolkata", "behind", "5.5")],
)
@pytest.mark.usefixtures("keys")
def test_a_view_that_reads_utc_in_another_zone(
    platform: ContractDatabase, redis_server: Redis, zone: str, direction: str, hours: str
) -> None:
    platform.server.execute(HISTORY.replace("%s", "1 min"), platform.name)
    utc = "(predicted_at AT TIME ZONE 'UTC')"
    platform.server.execute(VIEW % f"{utc} AT TIME ZONE '{zone}'", platform.name)
    status, found, _ = of_times(platform, redis_server)
    assert status == 1
    ((fault, mend),) = found.items()
    if direction == "ahead":
        # On a busy machine minutes may have passed since they were written.
        assert re.search(r"rows in the future, the newest by (3\.9|4\.0) h", fault)
    else:
        assert "which it usually is not" in fault
    assert f"its times are {hours} hours {direction}, as if read in a wrong zone" in mend
    assert f"the view has AT TIME ZONE 'UTC, {zone}'" in mend or f"AT TIME ZONE '{zone}, UTC'" in mend


@pytest.mark.usefixtures("keys")
def test_a_row_from_the_future(platform: ContractDatabase, redis_server: Redis) -> None:
    platform.server.execute(
        "INSERT INTO platform.fraud_predictions (predicted_at, transaction_id) VALUES (now() + interval '17 min', 'f')",
        platform.name,
    )
    status, found, _ = of_times(platform, redis_server)
    assert status == 1
    assert list(found.values()) == [
        "correct the clock that writes it, or leave rows out of the view until their time has come"
    ]


@pytest.mark.usefixtures("keys")
def test_a_row_at_infinity(platform: ContractDatabase, redis_server: Redis) -> None:
    platform.server.execute(VIEW % "CASE transaction_id WHEN 'a' THEN 'infinity' ELSE predicted_at END", platform.name)
    status, _, about = of_times(platform, redis_server)
    assert status == 1
    assert about == ["WRONG fraud_predictions.timestamp 1 rows in the future, the newest by an infinite time"]


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(("silence", "fails"), [("3 hours", True), ("9 days", True), ("10 min", False)])
def test_a_stream_that_has_stopped(platform: ContractDatabase, redis_server: Redis, silence: str, fails: bool) -> None:
    platform.server.execute(HISTORY.replace("%s", silence), platform.name)
    platform.server.execute(
        "DELETE FROM platform.fraud_predictions WHERE transaction_id IN ('a', 'b', 'c')", platform.name
    )
    if silence == "9 days":
        platform.server.execute(VIEW % "predicted_at - interval '9 days'", platform.name)
        platform.server.execute(HISTORY.replace("%s", "5 min"), platform.name)
    status, found, about = of_times(platform, redis_server)
    assert (status, bool(found)) == (int(fails), fails)
    assert len(about) == 1


@pytest.mark.usefixtures("keys")
def test_a_platform_that_is_closed_at_this_hour(platform: ContractDatabase, redis_server: Redis) -> None:
    platform.server.execute(HISTORY.replace("%s", "3 hours"), platform.name)
    # The same three hours are quiet on every day.
    platform.server.execute(
        "DELETE FROM platform.fraud_predictions WHERE transaction_id IN ('a', 'b', 'c') OR"
        " mod(extract(epoch FROM now() - predicted_at)::bigint, 86400) < 3 * 3600 + 120",
        platform.name,
    )
    status, found, about = of_times(platform, redis_server)
    assert (status, found) == (0, {})
    assert about[0].startswith("ok fraud_predictions.timestamp newest row is 3.")


@pytest.mark.usefixtures("keys")
def test_no_rows(platform: ContractDatabase, redis_server: Redis) -> None:
    platform.server.execute("TRUNCATE platform.transactions", platform.name)
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert (status, faults(lines)) == (0, ["warning transactions.timestamp no rows yet", "The contract holds."])
