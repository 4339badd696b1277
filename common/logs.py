"""Logging to standard error, as logfmt or JSON, without secrets."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from datetime import UTC, datetime

from common.redaction import redactor


class Formatter(logging.Formatter):
    """One line an entry. Redaction comes last, so that it also covers tracebacks and arguments."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self._json = style == "json"

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        entry = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": redactor.redact(record.getMessage()),
        }
        if record.exc_info:
            entry["traceback"] = redactor.redact(self.formatException(record.exc_info))
        if self._json:
            return json.dumps(entry, ensure_ascii=False)
        return " ".join(f"{name}={_logfmt(value)}" for name, value in entry.items())


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what `set_up` is to do."""
    add = parser.add_argument
    add(
        "--log.level",
        dest="log_level",
        default="info",
        choices=("debug", "info", "warning", "error"),
        help="the least of what is logged; default: %(default)s",
    )
    add(
        "--log.format",
        dest="log_format",
        default="logfmt",
        choices=("logfmt", "json"),
        help="how it is logged; default: %(default)s",
    )


def set_up(level: str, style: str) -> None:
    """Send all logging to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(style))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # They write whole requests at debug, with their headers.
    for name in ("urllib3", "botocore", "boto3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _logfmt(value: str) -> str:
    if value and not any(character in value for character in ' "=\n\r\t\\'):
        return value
    return json.dumps(value, ensure_ascii=False)
