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
        self._known = False
        self._ask_at = float("-inf")
        self._lock = threading.Lock()

    def state(self) -> bool | None:
        """Whether it is thrown; None while Redis does not say."""
        thrown = self.thrown()
        return thrown if self._known or self._file_there() else None

    def thrown(self) -> bool:
        """Whether no action may be tried now."""
        if self._file_there():
            return True
        with self._lock:
            if time.monotonic() >= self._ask_at:
                remembered = REMEMBERED_SECONDS
                try:
                    self._key_there = self._settings.read(self._config.redis_key) is not None
                    self._known = True
                except SettingsError:
                    self._known = False
                    remembered = REMEMBERED_WITHOUT_ANSWER_SECONDS
                self._ask_at = time.monotonic() + remembered
            return self._key_there

    def _file_there(self) -> bool:
        return self._config.file is not None and Path(self._config.file).exists()
