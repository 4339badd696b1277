"""A Prometheus with the shipped rules that scrapes given text, and its board."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
import yaml

from testbed.servers.prometheus import SHIPPED_DIRECTORY, Prometheus

SECTIONS = ("kpis", "fraud", "traffic", "model", "health", "security")
GOLDEN = Path(__file__).parents[1] / "exporter" / "golden" / "metrics.txt"

EVERY_SECOND = "1s"


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
def board(
    directory: Path,
    expositions: Sequence[str] = (),
    *,
    others: Mapping[str, str] | None = None,
    limits: Mapping[str, Mapping[str, float]] | None = None,
    every: str = EVERY_SECOND,
    rules: bool = True,
) -> Iterator[Prometheus]:
    """A Prometheus that scrapes one exporter for each text, and evaluates all rules.

    Args:
        directory: Where its files go, the rules into `rules`.
        expositions: Of the exporters of platform main.
        others: Of one exporter each, by the platform's name.
        limits: That a platform has for itself, by their names.
        every: How often it scrapes and evaluates.
        rules: Whether it has any.
    """
    with ExitStack() as stack:
        (directory / "rules").mkdir()
        for file in (SHIPPED_DIRECTORY / "rules").glob("*.yml") if rules else ():
            (directory / "rules" / file.name).write_text(
                re.sub(r"\binterval: \w+", f"interval: {every}", file.read_text())
            )
        if limits:
            (directory / "rules" / "own-limits.yml").write_text(yaml.safe_dump(_own(limits, every)))
        platforms = [("main", text) for text in expositions] + [*(others or {}).items()]
        groups = [
            {"targets": [stack.enter_context(target(text))], "labels": {"platform": name}} for name, text in platforms
        ]
        config = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": [str(directory / "rules" / "*.yml")],
            "scrape_configs": [{"job_name": "ticketing-live", "static_configs": groups}],
        }
        file = directory / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        yield stack.enter_context(Prometheus(file, directory / "data", flags=["--web.enable-lifecycle"]))


def _own(limits: Mapping[str, Mapping[str, float]], every: str) -> dict[str, Any]:
    rules = [
        {"record": "ticketing:limit", "labels": {"limit": limit, "platform": platform}, "expr": str(value)}
        for platform, values in limits.items()
        for limit, value in values.items()
    ]
    return {"groups": [{"name": "own-limits", "interval": every, "rules": rules}]}


def change_limits(prometheus: Prometheus, changes: Mapping[str, float | None], platform: str | None = None) -> None:
    """Let limits.yml be as shipped but for these limits, and Prometheus read it again.

    Args:
        prometheus: Of `board`.
        changes: By name of the limit; None: it is not there.
        platform: Whose limits they are, besides those that are there; None: they take their place.

    Raises:
        KeyError: There is no such limit.
    """
    name = "limits.yml"
    content: dict[str, Any] = yaml.safe_load((SHIPPED_DIRECTORY / "rules" / name).read_text())
    (group,) = content["groups"]
    records = {rule["labels"]["limit"]: rule for rule in group["rules"]}
    for limit, value in changes.items():
        rule = records[limit]
        if platform is not None:
            group["rules"].append({**rule, "labels": {"limit": limit, "platform": platform}, "expr": str(value)})
        elif value is None:
            group["rules"].remove(rule)
        else:
            rule["expr"] = str(value)
    group["interval"] = EVERY_SECOND
    (prometheus.config.parent / "rules" / name).write_text(yaml.safe_dump(content))
    requests.post(f"{prometheus.url}/-/reload", timeout=10).raise_for_status()


def markup(page: str, name: str) -> str:
    """One section."""
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
    assert found, f"no section {name}"
    return found[0]


def section(page: str, name: str) -> str:
    """The text of one section without its markup."""
    return " ".join(re.sub(r"<[^>]*>", " ", markup(page, name)).split())


def fetch(prometheus: Prometheus, query: str = "") -> str:
    """The page, with a query that begins with a question mark."""
    answer = requests.get(prometheus.board + query, timeout=30)
    assert answer.status_code == 200, answer.text[:2000]
    return answer.text
