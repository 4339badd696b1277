"""Views without a time: the state of now."""

from __future__ import annotations

from tests.exporter.own_metrics.running import Running

OVERSOLD = """
metrics:
  - name: oversold
    section: health
    from: view
    view: monitoring.oversold
    keys: {event: {column: event, most: 2}}
    values:
      oversold_events: {kind: count, help: Events., by: []}
      oversold_tickets: {kind: sum, column: tickets, help: Tickets.}
"""


def test_sums_of_now(running: Running) -> None:
    running.execute(
        "CREATE TABLE shop.oversold (event text, tickets int); CREATE VIEW monitoring.oversold AS"
        " SELECT * FROM shop.oversold; GRANT SELECT ON monitoring.oversold TO monitoring_reader"
    )
    running.start(OVERSOLD)
    assert running.own("health") == {"oversold_events": 0}
    running.execute(
        "INSERT INTO shop.oversold VALUES ('a', 3), ('a', 1), (NULL, 5), (NULL, 1), ('c', 100), ('d', 1000)"
    )
    assert running.own("health") == {
        "oversold_events": 6,
        "oversold_tickets{event=a}": 4,
        "oversold_tickets{event=unknown}": 6,
        "oversold_tickets{event=other}": 1100,
    }
    running.execute("TRUNCATE shop.oversold")
    assert running.own("health") == {"oversold_events": 0}


def test_a_value_that_no_sum_can_have_costs_itself(running: Running) -> None:
    running.execute(
        "CREATE VIEW monitoring.oversold AS"
        " SELECT * FROM (VALUES ('a', 3::numeric), ('a', 'NaN')) AS o (event, tickets);"
        "GRANT SELECT ON monitoring.oversold TO monitoring_reader"
    )
    running.start(OVERSOLD)
    assert running.own("health") == {"oversold_events": 2, "oversold_tickets{event=a}": 3}
    assert running.status("own_oversold").rejected == {"monitoring.oversold: tickets is not below 1,000,000,000,000": 1}
