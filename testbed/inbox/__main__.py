"""Entry point: ``python -m testbed.inbox``."""

import argparse
import logging
import signal
import sys
from threading import Event

from common import logs
from common.web_server import WebServer
from testbed.inbox import web
from testbed.inbox.mail import smtp_server
from testbed.inbox.store import Store

_LOG = logging.getLogger("testbed.inbox")


def main(arguments: list[str] | None = None) -> int:
    """Run the inbox until SIGTERM or SIGINT; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m testbed.inbox", description="Receives what Alertmanager sends.")
    parser.add_argument("--web.listen-address", dest="web", default="127.0.0.1:8040")
    parser.add_argument("--smtp.listen-address", dest="smtp", default="127.0.0.1:8025", type=_address)
    parser.add_argument("--board", metavar="URL", help="where links to the dashboard go on to")
    options = parser.parse_args(arguments)
    logs.set_up("info", "logfmt")
    logging.getLogger("mail.log").setLevel("WARNING")
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    store = Store()
    mail = smtp_server(store, *options.smtp)
    try:
        # In this order: the threads of the page would keep a process alive that can take no mail.
        mail.start()
        application = web.Web(store, options.board)
        server = WebServer("inbox", options.web, application, threads=web.THREADS, largest_body=web.LARGEST_BODY)
        server.start()
    except OSError as error:
        _LOG.error("cannot listen: %s", error)
        return 1
    _LOG.info("the page is at http://%s/, SMTP on %s:%d", options.web, *options.smtp)
    stop.wait()
    mail.stop()
    server.stop()
    return 0


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError("must be host:port or :port")
    return host.strip("[]") or "127.0.0.1", int(port)


if __name__ == "__main__":
    sys.exit(main())
