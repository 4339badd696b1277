"""What the inbox holds, in the terms in which an incident says whom it tells."""

import re
import time
from collections import Counter
from typing import Any

from demo.incidents import Incident
from testbed.inbox.server import Inbox
from tests.alertmanager.chain import alert_name

#: Channel, alert, status.
Told = tuple[str, str, str]


def told(inbox: Inbox) -> Counter[Told]:
    """How often who was told what; a change of a group of alerts is told again, in the same incident.

    Without the responder's follow-ups: when they come is up to what it did, and not to the alert.
    """
    return Counter(
        _told(one)
        for one in inbox.notifications()
        if one["channel"] != "heartbeat" and "what has changed" not in str(one["raw"].get("text"))
    )


def _told(notification: dict[str, Any]) -> Told:
    if notification["channel"] == "slack" and "attachments" not in notification["raw"]:
        # Of the responder; its text begins with the alert's name.
        name = re.match(r"\w+", notification["title"])
        return ("chat", name[0] if name else "", "firing")
    return (notification["channel"], alert_name(notification), notification["status"])


def expected(*incidents: Incident, over: bool) -> set[Told]:
    """Everything that the incidents tell, until they have begun or until they are over."""
    firing = {(*pair, "firing") for incident in incidents for pair in incident.firing}
    resolved = {(*pair, "resolved") for incident in incidents for pair in incident.resolved}
    return firing | resolved if over else firing


def wait_for(inbox: Inbox, wanted: set[Told], timeout_seconds: float) -> float:
    """Wait until exactly this has been told; returns how long it took, in seconds."""
    began = time.monotonic()
    while (now := set(told(inbox))) != wanted:
        assert now <= wanted, f"extra: {now - wanted}"
        assert time.monotonic() < began + timeout_seconds, f"not told in {timeout_seconds} s: {wanted - now}"
        time.sleep(0.2)
    return time.monotonic() - began
