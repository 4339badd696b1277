"""The HTTP server under the platform's services and the inbox."""

import logging

from cheroot.wsgi import Server

_LOG = logging.getLogger(__name__)


class LoggingServer(Server):
    """Logs what cheroot would print."""

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Log it."""
        _LOG.log(level, "%s", msg.strip(), exc_info=traceback)
