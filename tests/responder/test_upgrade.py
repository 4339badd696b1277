"""A ledger of the first edition, once the contract's file of this one is applied to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.contract.applying import CONTRACT
from tests.responder.conftest import Start, World
from tests.responder.messages import FRAUD, firing, message, resolved
from tests.responder.process import wait_until

FIRST = Path(__file__).with_name("first_ledger.sql").read_text()
NOW = (CONTRACT / "postgresql" / "50-responder.sql").read_text()
LEDGER = ("actions", "decisions", "incidents", "switch", "targets", "totals")
PLAYBOOKS: dict[str, Any] = {
    "FraudRateSpike": {
        "max_per_hour": 9,
        "ends_when": {"for": "300ms"},
        "on_firing": [{"action": "set_fraud_threshold", "value": 0.5, "expires": "1h"}],
    }
}
# As it is written by a responder of the first edition that has changed the threshold.
HELD = """
WITH incident AS (
    INSERT INTO monitoring.responder_incidents
        (playbook, fingerprint, alertname, labels, annotations, requested_by, starts_at, next_check_at)
    SELECT 'FraudRateSpike', %s, 'FraudRateSpike', %s::jsonb, '{}', 't', now(), now() + interval '1 hour'
    RETURNING correlation_id
)
INSERT INTO monitoring.responder_actions
    (correlation_id, phase, position, action, parameters, requested_by, state, attempts, fence, target, before_state,
     after_state, expires_after, started_at, finished_at, due_at)
SELECT correlation_id, 'firing', 1, 'set_fraud_threshold', '{"value": 0.5}', 't', 'done', 1, 1,
    'redis config:fraud_threshold', '{"value": "0.60"}', '{"value": "0.50"}', '1 hour', now(), now(),
    now() + interval '1 hour'
FROM incident
"""


def shape(world: World) -> list[tuple[Any, ...]]:
    """Columns, constraints, indexes and rights of the ledger, in any order of the columns."""
    return [
        *world.sql(
            "SELECT table_name::text, column_name::text, data_type::text, is_nullable::text, column_default::text"
            " FROM information_schema.columns WHERE table_schema = 'monitoring' AND table_name ~ '^responder_'"
            " ORDER BY 1, 2"
        ),
        *world.sql(
            "SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid::regclass::text ~ '^monitoring.responder_' ORDER BY 1, 2"
        ),
        *world.sql("SELECT indexdef FROM pg_indexes WHERE schemaname = 'monitoring' ORDER BY 1"),
        *world.sql(
            "SELECT table_name::text, privilege_type::text FROM information_schema.role_table_grants"
            " WHERE grantee = 'monitoring_responder' AND table_schema = 'monitoring' ORDER BY 1, 2"
        ),
    ]


def test_a_ledger_of_the_first_edition_becomes_one_of_this_and_what_it_holds_is_put_back(
    world: World, start: Start
) -> None:
    wanted = shape(world)
    world.sql(f"DROP TABLE {', '.join(f'monitoring.responder_{name}' for name in LEDGER)} CASCADE")
    world.sql(FIRST)
    alert = firing(FRAUD)
    world.sql(HELD, alert["fingerprint"], str(FRAUD).replace("'", '"'))
    world.redis.set("config:fraud_threshold", "0.50")
    responder = start(playbooks=PLAYBOOKS)
    # It says so, and what it lacks.
    assert "does not exist" in responder.get("/-/ready", token=None).text
    for _ in range(2):
        world.sql(NOW)
        assert shape(world) == wanted
    wait_until(responder.ready)
    assert responder.post(message(alert)).json()["alerts"] == ["kept"]
    responder.post(message(resolved(FRAUD)))
    wait_until(lambda: world.redis.get("config:fraud_threshold") == "0.60", what=responder.log)
    wait_until(lambda: responder.settled()["set_fraud_threshold"]["state"] == "reverted")


def test_applied_again_it_checks_nothing_anew(world: World) -> None:
    checks = "SELECT oid FROM pg_constraint WHERE conrelid::regclass::text ~ '^monitoring.responder_' ORDER BY 1"
    before = world.sql(checks)
    world.sql(NOW)
    assert world.sql(checks) == before


def test_a_ledger_that_knows_the_decisions_by_name_knows_them_no_more(world: World) -> None:
    wanted = shape(world)
    for column in ("decision", "via"):
        world.sql(f"ALTER TABLE monitoring.responder_decisions ADD CHECK ({column} <> 'new')")
    assert shape(world) != wanted
    world.sql(NOW)
    assert shape(world) == wanted
