"""Commands with names and values that were read from Redis, which may be any bytes: sent back as they were."""

from __future__ import annotations

from typing import Any

import hiredis

from exporter.sources.byte_text import ERRORS


def packed(command: tuple[Any, ...]) -> bytes:
    """A command as Redis reads it."""
    try:
        data: bytes = hiredis.pack_command(command)
    except UnicodeEncodeError:
        data = hiredis.pack_command(tuple(str(part).encode("utf-8", ERRORS) for part in command))  # type: ignore[arg-type]
    return data
