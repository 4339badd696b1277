"""What must hold once a storm is over: every effect once, nothing lost, and what people have said."""

from __future__ import annotations

from collections import Counter

from contract.definition import FRAUD_THRESHOLD
from tests.responder.storm import ALERTS, CHANGED, REPLICAS, Storm


def check(storm: Storm) -> None:
    """Every effect once, nothing lost, and the state that the alerts ask for."""
    incidents = storm.sql("SELECT correlation_id::text, playbook, labels, state FROM monitoring.responder_incidents")
    by_alert = Counter(ALERTS.index(labels) for _, _, labels, _ in incidents)
    # Episodes may flow together while the end of one is not verified yet; none is lost, and none invented.
    assert set(by_alert) == set(storm.episodes)
    assert all(1 <= by_alert[alert] <= storm.episodes[alert] for alert in by_alert), (by_alert, storm.episodes)
    others = storm.sql(
        "SELECT action, state, attempts, error FROM monitoring.responder_actions"
        " WHERE state NOT IN ('done', 'reverted', 'skipped', 'pending')"
    )
    assert not others, others
    attacks = {id_: labels["account"] for id_, playbook, labels, _ in incidents if playbook.startswith("Unauth")}
    events = Counter(
        storm.sql(
            "SELECT event_type, correlation_id::text FROM platform.security_events WHERE correlation_id IS NOT NULL"
        )
    )
    ended = {id_ for id_, _, _, state in incidents if state == "closed" and id_ in attacks}
    assert events == Counter([*(("lock", id_) for id_ in attacks), *(("over", id_) for id_ in ended)])
    indicators = storm.sql("SELECT host(source_ip), correlation_id::text FROM platform.threat_indicators")
    wanted = Counter((f"203.0.113.{ord(account)}", id_) for id_, account in attacks.items())
    assert Counter(indicators) == wanted, (
        Counter(indicators) - wanted,
        wanted - Counter(indicators),
        storm.sql(
            "SELECT correlation_id::text, state, attempts, error FROM monitoring.responder_actions"
            " WHERE action = 'add_threat_indicator'"
        ),
    )
    workflows = Counter(one["correlation_id"] for one in storm.siem.incidents.values())
    assert workflows == Counter(list(attacks)), storm.sql("SELECT * FROM monitoring.responder_actions")
    locks = dict(
        storm.sql("SELECT account, correlation_id::text FROM platform.admin_accounts WHERE locked_at IS NOT NULL")
    )
    assert set(locks) == set(attacks.values())
    assert all(attacks[id_] == account for account, id_ in locks.items())
    _check_retraining(storm, {id_ for id_, playbook, _, _ in incidents if playbook == "ModelDrift"})
    _check_what_is_put_back(storm)
    _check_metrics(storm)


def _check_retraining(storm: Storm, drifts: set[str]) -> None:
    """Once for each drift, except when it was over before anybody could ask."""
    requests = [id_ for (id_,) in storm.sql("SELECT correlation_id::text FROM platform.retraining_requests")]
    sql = "SELECT correlation_id::text, state FROM monitoring.responder_actions WHERE action = 'schedule_retraining'"
    actions = storm.sql(sql)
    done = {id_ for id_, state in actions if state == "done"}
    assert len(requests) == len(set(requests))
    assert done <= set(requests) <= drifts == {id_ for id_, _ in actions}


def _check_what_is_put_back(storm: Storm) -> None:
    """As a person has set it last, or for what is held as an incident that came later wants it."""
    held = {
        action
        for (action,) in storm.sql(
            "SELECT action FROM monitoring.responder_actions WHERE state = 'done' AND target IS NOT NULL"
        )
    }
    assert set(storm.kubernetes.changes) <= {*REPLICAS, *(number + 2 for number in REPLICAS)}
    replicas = {storm.replicas, storm.replicas + 2} if "scale_backend" in held else {storm.replicas}
    assert storm.kubernetes.replicas in replicas, storm.kubernetes.changes
    with storm.redis.client() as client:
        thresholds = {storm.threshold, "0.50"} if "set_fraud_threshold" in held else {storm.threshold}
        assert client.get(FRAUD_THRESHOLD) in thresholds
    _check_decisions(storm)


def _check_decisions(storm: Storm) -> None:
    """Nothing that was undone or declined is there, and what nobody decided about was done."""
    decided = dict(
        storm.sql(
            "SELECT a.action_id, array_agg(d.decision) FROM monitoring.responder_actions a"
            " JOIN monitoring.responder_decisions d USING (correlation_id) WHERE a.phase = 'firing' GROUP BY 1"
        )
    )
    open_ = storm.sql(
        "SELECT a.action_id, a.action, a.state, a.error FROM monitoring.responder_actions a"
        " JOIN monitoring.responder_incidents i USING (correlation_id)"
        " WHERE i.state <> 'closed' AND a.phase = 'firing' AND i.playbook = ANY (%s)",
        list(CHANGED),
    )
    for number, action, state, reason in open_:
        if set(decided.get(number, ())) & {"undo", "decline"}:
            assert state in ("reverted", "skipped"), (action, state, reason)
        else:
            changed_by_an_operator = "somebody else" in str(reason)
            assert state == "done" or changed_by_an_operator, (action, state, reason)


def _check_metrics(storm: Storm) -> None:
    """Both count the same, and what is there."""
    for metric, label, table, name in (
        ("ticketing_responder_incidents", "playbook", "monitoring.responder_incidents", "playbook"),
        ("ticketing_responder_actions", "action", "monitoring.responder_actions", "action"),
    ):
        # An open one of which nothing is heard begins to end at any moment.
        counts = storm.sql(f"SELECT {name}, replace(state, 'ending', 'open'), count(*) FROM {table} GROUP BY 1, 2")
        wanted = Counter({(one, state): count for one, state, count in counts})
        for responder in storm.responders:
            told: Counter[tuple[str, str]] = Counter()
            for (series, labels), value in responder.metrics().items():
                if series == metric:
                    of = dict(labels)
                    told[of[label], of["state"].replace("ending", "open")] += int(value)
            assert +told == wanted
