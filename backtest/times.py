"""Instants as they are written on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from backtest import promql

_DURATION = re.compile(r"(\d+(ms|[smhdwy]))+")


def instant(text: str, now: float) -> float:
    """Unix seconds of a text: `now`, `24h` (so long ago), unix seconds, or a date of ISO 8601, without a zone UTC.

    Raises:
        ValueError: it is none of these.
    """
    if text == "now":
        return now
    if _DURATION.fullmatch(text):
        return now - promql.seconds(text)
    try:
        return float(text)
    except ValueError:
        pass
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a time: write 24h, now, 2026-03-02T18:00 or unix seconds") from None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def duration(text: str) -> int:
    """Whole seconds of a duration such as 15s.

    Raises:
        ValueError: it is none, or not of whole seconds, or 0.
    """
    if not _DURATION.fullmatch(text) or (seconds := promql.seconds(text)) < 1 or seconds % 1:
        raise ValueError(f"{text!r} is not a duration of whole seconds such as 15s")
    return int(seconds)
