"""What texts say of figures: as they are when the text is written, and nothing waits for them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.responder.conftest import Start, World
from tests.responder.messages import FRAUD, firing, message, resolved
from tests.responder.process import wait_until

MESSAGE = "${figures.share} of at most ${figures.limit} in ${labels.section}"


def book(**figures: str) -> dict[str, Any]:
    record = {"action": "record_siem", "severity": "LOW", "message": MESSAGE}
    return {
        "FraudRateSpike": {
            "max_per_hour": 6,
            "figures": {"share": 'share{platform="${platform}"}', "limit": "limit", **figures},
            "ends_when": {"for": "300ms"},
            "on_firing": [{**record, "event_type": "spike"}],
            "on_end": [{**record, "event_type": "over"}],
        }
    }


def recorded(world: World) -> dict[str, str]:
    sql = "SELECT event_type, message FROM platform.security_events WHERE correlation_id IS NOT NULL"
    return dict(world.sql(sql))


def test_a_text_says_the_figures_at_its_time(world: World, start: Start) -> None:
    responder = start(playbooks=book())
    world.prometheus.values |= {'share{platform="main"}': 12345.678, "limit": 0.0300049}
    responder.post(message(firing(FRAUD)))
    wait_until(
        lambda: recorded(world) == {"spike": "12350 of at most 0.03 in fraud"}, what=lambda: str(recorded(world))
    )
    world.prometheus.values |= {'share{platform="main"}': 0.0, "limit": -2.5}
    responder.post(message(resolved(FRAUD)))
    wait_until(lambda: recorded(world).get("over") == "0 of at most -2.5 in fraud", what=lambda: str(recorded(world)))


@pytest.mark.parametrize("value", [None, float("nan")])
def test_what_is_not_known_is_said_to_be_so(world: World, start: Start, value: float | None) -> None:
    responder = start(playbooks=book(share="share", limit='limit{of="${labels.missing}"}'))
    world.prometheus.values["share"] = value
    responder.post(message(firing(FRAUD)))
    wait_until(lambda: recorded(world) == {"spike": "unknown of at most unknown in fraud"})


def test_a_prometheus_that_does_not_answer_costs_the_figures_alone(world: World, start: Start) -> None:
    responder = start(playbooks=book(), pace={"lease": "30s"})
    world.monitoring.trouble.delay = 6
    responder.post(message(firing(FRAUD)))
    # Asked once in vain, it is not asked for the next figure.
    wait_until(lambda: recorded(world) == {"spike": "unknown of at most unknown in fraud"}, 8)
    assert responder.actions()["record_siem"]["attempts"] == 1
