"""The platform's settings in Redis, changed with a fence and put back only where nobody else has changed them."""

from __future__ import annotations

import threading
from typing import Literal

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from common.redaction import describe
from common.redis import options
from common.secret_text import SecretError, SecretText

TIMEOUT_SECONDS = 1.0
MOST_CONNECTIONS = 8
FENCE_SECONDS = 7 * 86400

# KEYS: the setting, its fence. ARGV: token, value to write ("" deletes), then the values that may be there now ("" is
# none). A claim that is older than the last one that wrote finds the fence higher and writes nothing.
_CHANGE = f"""
local fence = tonumber(redis.call('GET', KEYS[2]) or '0')
if fence > tonumber(ARGV[1]) then return 'fenced' end
local current = redis.call('GET', KEYS[1]) or ''
for i = 3, #ARGV do
    if current == ARGV[i] then
        redis.call('SET', KEYS[2], ARGV[1], 'EX', {FENCE_SECONDS})
        if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
        return 'written'
    end
end
return 'changed'
"""


class SettingsError(Exception):
    """Redis does not answer or refuses; one line, without secrets.

    Attributes:
        answered: whether it said anything.
    """

    def __init__(self, message: str, *, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered


class Settings:
    """Keys of the platform's Redis.

    Args:
        url: `redis://`, `rediss://` or `unix://`; read again at each use.
        name: told to the server as the connection's name.
    """

    def __init__(self, url: SecretText, name: str) -> None:
        self._url = url
        self._name = name
        self._revealed = ""
        self._client: redis.Redis | None = None
        self._lock = threading.Lock()

    def read(self, key: str) -> str | None:
        """The value of a key, None when it is not there.

        Raises:
            SettingsError: Redis does not say.
        """
        try:
            value = self._connected().get(key)
        except (redis.RedisError, OSError, ValueError) as error:
            raise SettingsError(f"Redis: {describe(error)}", answered=isinstance(error, redis.ResponseError)) from None
        return None if value is None else str(value)

    def write(
        self, key: str, value: str | None, *, expected: tuple[str | None, ...], fence: int
    ) -> Literal["written", "changed", "fenced"]:
        """Write a value, or delete the key with None, if it has one of the expected values now.

        Args:
            key: of the setting.
            value: to be.
            expected: None is for a key that is not there.
            fence: of the claim.

        Returns:
            changed: it has another value. fenced: a newer claim has written since.

        Raises:
            SettingsError: Redis did not say; it may have been written.
        """
        arguments = [str(fence), value or "", *[text or "" for text in expected]]
        try:
            answer = self._connected().eval(_CHANGE, 2, key, f"responder:fence:{key}", *arguments)
        except (redis.RedisError, OSError, ValueError) as error:
            raise SettingsError(f"Redis: {describe(error)}", answered=isinstance(error, redis.ResponseError)) from None
        outcome: Literal["written", "changed", "fenced"] = answer
        return outcome

    def _connected(self) -> redis.Redis:
        try:
            url = self._url.reveal()
        except SecretError as error:
            raise SettingsError(f"Redis: {error}") from None
        with self._lock:
            if self._client is None or url != self._revealed:
                made = options(url, self._name, TIMEOUT_SECONDS)
                # Once more at once: an idle connection dies with a restart of the server.
                made |= {"retry": Retry(NoBackoff(), 1), "retry_on_error": [redis.ConnectionError]}
                pool: redis.ConnectionPool = redis.BlockingConnectionPool(  # type: ignore[no-untyped-call]
                    timeout=TIMEOUT_SECONDS, max_connections=MOST_CONNECTIONS, **made
                )
                self._client = redis.Redis(connection_pool=pool)
                self._revealed = url
            return self._client
