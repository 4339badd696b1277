"""What is not configured is skipped, in the words of what the actions declare."""

from __future__ import annotations

from typing import Any

from responder.actions import SHIPPED
from responder.playbook_file import load
from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, DRIFT, FRAUD, LATENCY, firing, message
from tests.responder.process import wait_until


def test_what_is_not_configured_is_skipped_and_says_so(world: World, start: Start) -> None:
    responder = start({"siem": None, "threat_feed": None, "profiles": None, "backend": None})
    responder.post(message(firing(ADMIN), firing(LATENCY), firing(FRAUD), firing(DRIFT)))
    wait_until(lambda: world.locked())

    def reasons() -> dict[str, Any]:
        return {
            a["action"]: a["reason"]
            for i in responder.incidents()
            for a in i["actions"]
            if str(a["reason"]).endswith("is not configured")
        }

    asked = {step.action for playbook in load(None).values() for step in playbook.on_firing}
    expected = {name: f"{field.name} is not configured" for name in asked for field in SHIPPED[name].needs}
    assert "backend is not configured" in expected.values()
    wait_until(lambda: reasons() == expected, what=lambda: str(reasons()))
    for name, reason in expected.items():
        assert f"{name} will be skipped: {reason}" in responder.log()
