"""Reading a key of Redis as each of the two programs does."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from common.deadline import Deadline, DeadlineExceededError
from common.secret_text import SecretText
from exporter.sources.redis import RedisError, RedisSource
from exporter.waiting import complete
from responder.settings import Settings, SettingsError

Reader = Callable[[str], str | None]


def secret(url: str) -> SecretText:
    """The URL, as the programs have it."""
    return SecretText("REDIS_URL", {"REDIS_URL": url})


def exporter_reader(url: str) -> Reader:
    """Reads keys on one connection, as long as it is there."""
    source = RedisSource(secret(url), "test-name")

    def once(key: str) -> str | None:
        value: str | None = complete(source.read([("GET", key)], Deadline(5)))[0]
        return value

    def read(key: str) -> str | None:
        # On a busy machine a connection may take longer than it may; then the next scrape has it.
        with suppress(DeadlineExceededError):
            return once(key)
        return once(key)

    return read


def responder_reader(url: str) -> Reader:
    """Reads keys on one connection, as long as it is there."""
    return Settings(secret(url), "test-name").read


READERS = {"exporter": exporter_reader, "responder": responder_reader}


def refusal(read: Reader) -> str:
    """Why no key can be read."""
    with pytest.raises((RedisError, SettingsError, DeadlineExceededError)) as caught:
        read("key")
    return str(caught.value)


def wait_until(true: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something that takes a while."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
