"""What is not configured."""

from __future__ import annotations

from typing import Any

from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, LATENCY, firing, message
from tests.responder.process import wait_until


def test_what_is_not_configured_is_skipped_and_says_so(world: World, start: Start) -> None:
    responder = start({"siem": None, "threat_feed": None, "profiles": None, "backend": None})
    responder.post(message(firing(ADMIN), firing(LATENCY)))
    wait_until(lambda: world.locked())

    def reasons() -> dict[str, Any]:
        return {
            a["action"]: a["reason"] for i in responder.incidents() for a in i["actions"] if a["state"] == "skipped"
        }

    expected = {
        "add_threat_indicator": "no address to indicate",
        "open_siem_incident": "siem.incidents is not configured",
        "notify": "chat is not configured",
        "scale_backend": "backend is not configured",
        "capture_profile": "profiles is not configured",
    }
    wait_until(lambda: reasons() == expected, what=lambda: str(reasons()))
    assert "scale_backend will be skipped: backend is not configured" in responder.log()
