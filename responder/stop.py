"""The switch by which a person stops all actions."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from responder.config import Stop
from responder.ledger import switch
from responder.postgres import Postgres
from responder.settings import Settings, SettingsError

REMEMBERED_SECONDS = 0.5
REMEMBERED_WITHOUT_ANSWER_SECONDS = 5.0
"""An outage of Redis must not hold up every action by its time limit."""


class StopSwitch:
    """Thrown while the file or the Redis key is there.

    While Redis does not say, the key is taken to be as a responder saw it last, before a restart or not: an outage of
    Redis neither throws the switch, or no account would be locked, nor releases it.

    Args:
        settings: with the key.
        ledger: remembers it.
        config: names of key and file.
    """

    def __init__(self, settings: Settings, ledger: Postgres, config: Stop) -> None:
        self._settings = settings
        self._ledger = ledger
        self._config = config
        self._key_there: bool | None = None
        self._ask_at = float("-inf")
        self._asking = threading.Lock()
        self._remembered: bool | None = None

    def state(self) -> bool | None:
        """Whether it is thrown; None while Redis does not say."""
        return True if self._file_there() else self._asked()

    def thrown(self) -> bool:
        """Whether no action may be tried now.

        Raises:
            PostgresError: the ledger does not answer, without which nothing is tried either.
        """
        if self._file_there():
            return True
        key, there = self._config.redis_key, self._asked()
        if there is None:
            return self._ledger.run(lambda cursor: switch.remembered(cursor, key))
        if there != self._remembered:
            self._ledger.run(lambda cursor: switch.remember(cursor, key, thrown=there))
            self._remembered = there
        return there

    def _asked(self) -> bool | None:
        """Whether the key is there; None while Redis does not say."""
        with self._asking:
            if time.monotonic() >= self._ask_at:
                remembered = REMEMBERED_SECONDS
                try:
                    self._key_there = self._settings.read(self._config.redis_key) is not None
                except SettingsError:
                    self._key_there = None
                    remembered = REMEMBERED_WITHOUT_ANSWER_SECONDS
                self._ask_at = time.monotonic() + remembered
            return self._key_there

    def _file_there(self) -> bool:
        return self._config.file is not None and Path(self._config.file).exists()
