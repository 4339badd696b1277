"""The switch by which a person stops all actions."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from responder.config import Stop
from responder.settings import Settings, SettingsError

REMEMBERED_SECONDS = 0.5
REMEMBERED_WITHOUT_ANSWER_SECONDS = 5.0
"""An outage of Redis must not hold up every action by its time limit."""


class StopSwitch:
    """Thrown while the file or the Redis key is there.

    While Redis does not say, the key is taken to be as it was: an outage of Redis neither throws the switch, or no
    account would be locked, nor releases it.
    """

    def __init__(self, settings: Settings, config: Stop) -> None:
        self._settings = settings
        self._config = config
        self._key_there = False
        self._ask_at = float("-inf")
        self._lock = threading.Lock()

    def thrown(self) -> bool:
        """Whether no action may be tried now."""
        if self._config.file is not None and Path(self._config.file).exists():
            return True
        with self._lock:
            if time.monotonic() >= self._ask_at:
                remembered = REMEMBERED_SECONDS
                try:
                    self._key_there = self._settings.read(self._config.redis_key) is not None
                except SettingsError:
                    remembered = REMEMBERED_WITHOUT_ANSWER_SECONDS
                self._ask_at = time.monotonic() + remembered
            return self._key_there
