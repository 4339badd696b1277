"""Logging in logfmt to standard error."""

import logging
import sys
import time


class LogfmtFormatter(logging.Formatter):
    """Formats a record as ``ts=… level=… logger=… msg="…"``, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record; the trace of an exception follows in ``trace``."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = f"ts={stamp}.{int(record.msecs):03d}Z level={record.levelname.lower()} logger={record.name}"
        line += f" msg={_quoted(record.getMessage())}"
        if record.exc_info:
            line += f" trace={_quoted(self.formatException(record.exc_info))}"
        return line


def configure(level: str) -> None:
    """Send all records from ``level`` (debug, info, warning, error) to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogfmtFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
