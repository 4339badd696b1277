"""A Prometheus with the shipped rules that scrapes given text, and its board."""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests
import yaml

from testbed.servers.prometheus import SHIPPED_DIRECTORY, Prometheus

SECTIONS = ("kpis", "fraud", "traffic", "model", "health", "security")
GOLDEN = Path(__file__).parents[1] / "exporter" / "golden" / "metrics.txt"


def golden() -> str:
    """What the exporter's golden test expects, with its placeholders filled in."""
    return re.sub(r'\b(DURATION|TIME)$|(?<=")VERSION(?=")', "1", GOLDEN.read_text(), flags=re.MULTILINE)


@contextmanager
def target(exposition: str) -> Iterator[str]:
    """An HTTP server with these metrics; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exposition.encode()
            with suppress(BrokenPipeError):  # Prometheus was stopped meanwhile
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def board(directory: Path, expositions: Sequence[str] = (), *, rules: bool = True) -> Iterator[Prometheus]:
    """A Prometheus that scrapes one exporter for each text, and evaluates all rules, every second."""
    with ExitStack() as stack:
        (directory / "rules").mkdir()
        for file in (SHIPPED_DIRECTORY / "rules").glob("*.yml") if rules else ():
            (directory / "rules" / file.name).write_text(re.sub(r"\binterval: \w+", "interval: 1s", file.read_text()))
        targets = [stack.enter_context(target(text)) for text in expositions]
        group = {"targets": targets, "labels": {"platform": "main"}}
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(directory / "rules" / "*.yml")],
            "scrape_configs": [{"job_name": "ticketing-live", "static_configs": [group]}],
        }
        file = directory / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        yield stack.enter_context(Prometheus(file, directory / "data"))


def section(page: str, name: str) -> str:
    """The text of one section without its markup."""
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
    assert found, f"no section {name}"
    return " ".join(re.sub(r"<[^>]*>", " ", found[0]).split())


def fetch(prometheus: Prometheus, query: str = "") -> str:
    answer = requests.get(prometheus.board + query, timeout=10)
    assert answer.status_code == 200, answer.text[:2000]
    return answer.text
