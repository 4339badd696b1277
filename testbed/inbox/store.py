"""What arrived, newest first, as much of it as one looks at."""

import itertools
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

#: Notifications kept of each channel: the heartbeats of a night do not push out a page.
KEPT = 500

CHANNELS = ("pagerduty", "slack", "email", "sms", "responder", "heartbeat")


@dataclass(frozen=True)
class Notification:
    """One message as one channel received it.

    Args:
        channel: One of `CHANNELS`.
        status: firing or resolved.
        title: Its first line.
        text: The rest as plain text.
        recipient: Slack channel, e-mail addresses, topic or telephone number; empty where there is none.
        severity: critical, high, … where the message says so, else empty.
        links: Text and address of what can be clicked in it.
        raw: The payload: JSON that was received, or the parts of an e-mail.
    """

    channel: str
    status: str
    title: str
    text: str = ""
    recipient: str = ""
    severity: str = ""
    links: list[tuple[str, str]] = field(default_factory=list)
    raw: Any = None


class Store:
    """The last `kept` notifications of each channel; safe to use from many threads."""

    def __init__(self, kept: int = KEPT) -> None:
        self._lock = Lock()
        # A page that is open over a restart goes on with what is new.
        self._ids = itertools.count(int(time.time() * 1000))
        self._arrived: Counter[str] = Counter()
        self._kept = {channel: deque[dict[str, Any]](maxlen=kept) for channel in CHANNELS}

    def add(self, notification: Notification) -> None:
        """Keep it, under the next number."""
        with self._lock:
            self._arrived[notification.channel] += 1
            entry = {"id": next(self._ids), "received_at": time.time(), **vars(notification)}
            self._kept[notification.channel].append(entry)

    def newest_first(self, channel: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        """Return those with an id above `since`, of one channel or of all."""
        with self._lock:
            entries = [
                entry
                for name, kept in self._kept.items()
                if channel in (None, name)
                for entry in kept
                if entry["id"] > since
            ]
        return sorted(entries, key=lambda entry: -int(entry["id"]))

    def arrived(self) -> dict[str, int]:
        """Count by channel since the last `clear`, including those no longer kept."""
        with self._lock:
            return {channel: self._arrived[channel] for channel in CHANNELS}

    def clear(self) -> None:
        """Forget all; ids go on."""
        with self._lock:
            self._arrived.clear()
            for kept in self._kept.values():
                kept.clear()
