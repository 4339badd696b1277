"""What the inbox holds, in the terms in which an incident says whom it tells."""

import time
from collections import Counter

from simulator.demo.incidents import Incident
from simulator.inbox.server import Inbox
from tests.alertmanager.chain import alert_name

#: Channel, alert, status.
Told = tuple[str, str, str]


def told(inbox: Inbox) -> Counter[Told]:
    """How often who was told what; a change of a group of alerts is told again, in the same incident."""
    return Counter(
        (one["channel"], alert_name(one), one["status"])
        for one in inbox.notifications()
        if one["channel"] != "heartbeat"
    )


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
