"""Every path over HTTP: its answers, its formats and its refusals."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
import redis
import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.collectors import METRICS, SECTIONS
from exporter.config import Api, Config, RateLimits
from exporter.scrape import METRICS as OWN_METRICS
from exporter.web.config import HttpServerConfig, WebConfig
from simulator.local.contract import ContractDatabase
from simulator.local.ports import free_port
from simulator.local.postgres import Postgres
from simulator.local.redis import Redis
from tests.exporter.web.serving import Served, exporter_of, served

OPENMETRICS_ACCEPT = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"}
NOWHERE = "postgresql://monitoring_reader@127.0.0.1:1/none"


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    file = tmp_path / "exporter.yml"
    file.write_text("probes: {}\n")
    return file


@pytest.fixture(scope="module")
def platform(postgres: Postgres, contract_template: str) -> ContractDatabase:
    postgres.create_database("routes", contract_template)
    return ContractDatabase(postgres, "routes")


@pytest.fixture
def database(platform: ContractDatabase) -> ContractDatabase:
    """One database for all tests here: they write to one table of it only."""
    platform.server.execute("TRUNCATE platform.fraud_predictions", platform.name)
    return platform


@pytest.fixture
def web(
    database: ContractDatabase, redis_server: Redis, redis_client: redis.Redis, config_file: Path
) -> Iterator[Served]:
    redis_client.set("kpi:txn_per_hour", "1247")
    redis_client.set("config:fraud_model", "xgboost")
    redis_client.set("config:fraud_threshold", "0.6")
    with served(exporter_of(database.reader_dsn, redis_server.url()), config_file) as running:
        yield running


@pytest.fixture
def sourceless() -> Iterator[Served]:
    url = f"redis://:hush-hush@127.0.0.1:{free_port()}/0"
    with served(exporter_of(NOWHERE.replace("@", ":s3cr3t-dsn@"), url)) as running:
        yield running


def names(text: str) -> set[str]:
    return {sample.name for family in parse_text(text) for sample in family.samples}


def predict(database: ContractDatabase, *rows: tuple[datetime, str, float | None, str | None, str | None]) -> None:
    connection = psycopg2.connect(database.dsn)
    with connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision, top_feature)"
            " VALUES (%s, %s, %s, %s, %s)",
            rows,
        )
    connection.close()


# --- /metrics


def test_text_is_the_default_format(web: Served) -> None:
    answer = web.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = {(s.name, *s.labels.values()): s.value for f in parse_text(answer.text) for s in f.samples}
    assert samples["ticketing_kpi_transactions_per_hour",] == 1247
    assert {section: samples["ticketing_exporter_collector_success", section] for section in SECTIONS} == dict.fromkeys(
        SECTIONS, 1
    )


def test_openmetrics_by_accept_satisfies_the_official_parser(web: Served) -> None:
    answer = web.get("/metrics", headers=OPENMETRICS_ACCEPT)
    assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.text.endswith("# EOF\n")
    families = {family.name: family for family in parse_openmetrics(answer.text)}  # type: ignore[no-untyped-call]
    assert families["ticketing_fraud_score"].type == "histogram"
    text_names = names(web.get("/metrics").text)
    assert {sample.name for family in families.values() for sample in family.samples} == text_names


def test_every_family_is_one_of_the_documented_metrics(web: Served) -> None:
    known = {metric.name: metric.kind for metric in (*METRICS, *OWN_METRICS)}
    for line in web.get("/metrics").text.splitlines():
        if line.startswith("# TYPE ticketing_"):
            _, _, name, kind = line.split()
            assert known[name] == kind


@pytest.mark.parametrize("accept", ["*/*", "text/plain", "application/json", "garbage;;q=z"])
def test_any_other_accept_gets_text(web: Served, accept: str) -> None:
    assert "text/plain" in web.get("/metrics", headers={"Accept": accept}).headers["Content-Type"]


def test_gzip_only_when_asked_for(web: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", web.port)
    connection.request("GET", "/metrics?collect[]=fraud", headers={"Accept-Encoding": "gzip, deflate"})
    packed = connection.getresponse()
    body = packed.read()
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) == len(body)
    assert "ticketing_fraud_predictions" in names(gzip.decompress(body).decode())
    for encoding in ("identity", "", "deflate", "gzip;q=0", "br, gzip; q=0.0"):
        connection.request("GET", "/metrics", headers={"Accept-Encoding": encoding})
        plain = connection.getresponse()
        assert plain.headers["Content-Encoding"] is None, encoding
        assert plain.read().startswith(b"# HELP")
    connection.close()


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/-/ready", "/api/monitoring/kpis", "/nowhere"])
def test_head_is_get_without_a_body(web: Served, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", web.port)
    connection.request("HEAD", path)
    head = connection.getresponse()
    assert head.read() == b""
    assert int(head.headers["Content-Length"]) > 0
    connection.request("GET", path)  # the connection is still in step
    get = connection.getresponse()
    assert get.status == head.status
    assert get.headers["Content-Type"] == head.headers["Content-Type"]
    assert get.read()
    connection.close()


@pytest.mark.parametrize("section", SECTIONS)
def test_one_section(web: Served, section: str) -> None:
    found = names(web.get("/metrics", params={"collect[]": section}).text)
    assert success(web, section) == {section}
    others = {metric.name for metric in METRICS} & found
    prefix = {
        "kpis": ("ticketing_kpi", "ticketing_event", "ticketing_transactions", "ticketing_revenue"),
        "fraud": ("ticketing_fraud",),
        "traffic": ("ticketing_api", "ticketing_rate_limit", "ticketing_client"),
        "model": ("ticketing_model",),
        "health": ("ticketing_probe",),
        "security": ("ticketing_security", "ticketing_admin"),
    }[section]
    assert all(name.startswith(prefix) for name in others)


def success(web: Served, section: str) -> set[str]:
    """The sections that a scrape of one reports on."""
    text = web.get("/metrics", params={"collect[]": section}).text
    return {
        s.labels["collector"]
        for f in parse_text(text)
        for s in f.samples
        if s.name == "ticketing_exporter_collector_success"
    }


def test_several_sections_and_repetitions(web: Served) -> None:
    asked = web.get("/metrics?collect[]=security&collect%5B%5D=kpis&collect[]=security&other=1")
    collectors = [
        s.labels["collector"]
        for f in parse_text(asked.text)
        for s in f.samples
        if s.name == "ticketing_exporter_collector_success"
    ]
    assert collectors == ["kpis", "security"]


@pytest.mark.parametrize(
    "query", ["collect[]=nonsense", "collect[]=", "collect[]=kpis&collect[]=Fraud", "collect[]=%00"]
)
def test_an_unknown_section_is_refused(web: Served, query: str) -> None:
    answer = web.get(f"/metrics?{query}")
    assert answer.status_code == 400
    assert answer.text.startswith("unknown section '")
    assert answer.text.endswith("; there are kpis, fraud, traffic, model, health, security\n")


@pytest.mark.parametrize("timeout", ["nan", "-1", "0", "inf", "soon", "1e999"])
def test_an_odd_scrape_timeout_is_ignored(web: Served, timeout: str) -> None:
    answer = web.get("/metrics?collect[]=kpis", headers={"X-Prometheus-Scrape-Timeout-Seconds": timeout})
    assert 'ticketing_exporter_collector_success{collector="kpis"} 1' in answer.text


def test_a_scrape_is_answered_without_any_source(sourceless: Served) -> None:
    answer = sourceless.get("/metrics")
    assert answer.status_code == 200
    found = {
        s.labels["collector"]: s.value
        for f in parse_text(answer.text)
        for s in f.samples
        if s.name == "ticketing_exporter_collector_success"
    }
    assert found == {**dict.fromkeys(SECTIONS, 0), "health": 1}
    assert not names(answer.text) & {metric.name for metric in METRICS}


# --- landing page, health, readiness


def test_landing_page_shows_the_state_of_each_section(web: Served) -> None:
    assert web.get("/").text.count("not scraped yet") == len(SECTIONS)
    web.get("/metrics")
    answer = web.get("/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.text.count('class="ok"') == len(SECTIONS)
    for path in ("metrics", "-/healthy", "-/ready", "api/monitoring/kpis", "api/monitoring/fraud_feed"):
        assert f'href="{path}"' in answer.text
        assert web.get(f"/{path}").status_code == 200


def test_landing_page_shows_problems_escaped_and_without_secrets(web: Served, redis_client: redis.Redis) -> None:
    redis_client.set("kpi:fraud_rate", "<script>alert('1')</script>")
    web.get("/metrics")
    page = web.get("/").text
    assert 'class="failed">failed' in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_landing_page_without_sources_has_no_password(sourceless: Served) -> None:
    sourceless.get("/metrics")
    page = sourceless.get("/").text
    assert "Connection refused" in page
    assert "never" in page
    assert "s3cr3t" not in page
    assert "hush" not in page


def test_healthy_whatever_the_sources_do(sourceless: Served) -> None:
    answer = sourceless.get("/-/healthy")
    assert (answer.status_code, answer.text) == (200, "Healthy\n")


def test_ready(web: Served) -> None:
    answer = web.get("/-/ready")
    assert (answer.status_code, answer.text) == (200, "Ready\n")


def test_not_ready_says_why_without_secrets(sourceless: Served) -> None:
    answer = sourceless.get("/-/ready")
    assert answer.status_code == 503
    redis_reason, postgres_reason = answer.text.splitlines()
    assert redis_reason.startswith("Redis: ")
    assert postgres_reason.startswith("PostgreSQL: ")
    assert "Connection refused" in postgres_reason
    assert "s3cr3t" not in answer.text
    assert "hush" not in answer.text


# --- reload


def test_reload_takes_a_good_file_and_keeps_the_last_one_over_a_bad_one(web: Served, config_file: Path) -> None:
    config_file.write_text("probes: {}\napi: {cors_origins: ['https://ops.example']}\n")
    answer = requests.post(f"{web.url}/-/reload", timeout=20)
    assert (answer.status_code, answer.text) == (200, "Reloaded\n")
    in_force = web.exporter.config
    assert in_force.api.cors_origins == ("https://ops.example",)
    for bad, reason in (("sttle: 5s", "Object contains unknown field `sttle`"), ("settle: [", "line 1: ")):
        config_file.write_text(bad)
        answer = requests.post(f"{web.url}/-/reload", timeout=20)
        assert answer.status_code == 500
        assert answer.text.startswith(f"not reloaded: {config_file}: {reason}")
        assert web.exporter.config is in_force
    config_file.unlink()
    answer = requests.post(f"{web.url}/-/reload", timeout=20)
    assert answer.text == f"not reloaded: {config_file}: No such file or directory\n"
    assert web.get("/metrics").status_code == 200


def test_reload_swaps_adapters_under_running_scrapes(web: Served, redis_client: redis.Redis) -> None:
    redis_client.hset("ratelimit:limits", "global_per_minute", "10000")
    before = web.get("/metrics?collect[]=traffic").text
    assert 'ticketing_rate_limit_requests_per_minute{scope="global"} 10000.0' in before
    limits = RateLimits(adapter="flask-limiter", global_per_minute=77)
    web.exporter.apply(Config(probes={}, rate_limits=limits))
    after = web.get("/metrics?collect[]=traffic").text
    assert 'ticketing_rate_limit_requests_per_minute{scope="global"} 77.0' in after


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/-/reload", "POST"),
        ("HEAD", "/-/reload", "POST"),
        ("PUT", "/-/reload", "POST"),
        ("POST", "/metrics", "GET"),
        ("DELETE", "/", "GET"),
        ("OPTIONS", "/api/monitoring/kpis", "GET"),
    ],
)
def test_other_methods_are_refused(web: Served, method: str, path: str, allowed: str) -> None:
    answer = requests.request(method, web.url + path, timeout=20)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("path", ["/nowhere", "/metrics/", "/-/", "/api/monitoring", "/..%2fmetrics", "/%ff"])
def test_other_paths_are_not_found(web: Served, path: str) -> None:
    assert web.get(path).status_code == 404


# --- JSON API


def test_kpis_as_the_platform_writes_them(web: Served, redis_client: redis.Redis) -> None:
    redis_client.mset({"kpi:fraud_rate": "1.8", "kpi:latency_p95": "45", "kpi:revenue_per_hour": "12450.5"})
    answer = web.get("/api/monitoring/kpis")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json() == {
        "transactions_per_hour": 1247,
        "fraud_rate": 1.8,
        "api_latency_p95": 45.0,
        "revenue_per_hour": 12450.5,
    }


def test_unknown_kpis_are_null(web: Served, redis_client: redis.Redis) -> None:
    redis_client.delete("kpi:txn_per_hour")
    redis_client.set("kpi:fraud_rate", "NaN")
    redis_client.set("kpi:latency_p95", "n/a")
    redis_client.rpush("kpi:revenue_per_hour", "1")
    answer = web.get("/api/monitoring/kpis")
    assert answer.status_code == 200
    assert set(answer.json().values()) == {None}


def test_fraud_feed_is_the_newest_fifty_of_high_risk(web: Served, database: ContractDatabase) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    rows = [(now - timedelta(seconds=n), f"txn_{n:03}", 0.9, "BLOCKED", "txn_velocity_1h=12") for n in range(60)]
    predict(
        database,
        *rows,
        (now + timedelta(seconds=1), "low", 0.65, "APPROVED", None),
        (now + timedelta(seconds=2), "reviewed_low", 0.1, "REVIEW", None),
        (now + timedelta(seconds=3), "unscored", None, "BLOCKED", None),
        (now + timedelta(seconds=4), "nan", float("nan"), "BLOCKED", 'quote"'),
        (now + timedelta(seconds=5), "high_approved", 0.66, "APPROVED", ""),
    )
    answer = web.get("/api/monitoring/fraud_feed")
    assert "NaN" not in answer.text  # which is no JSON
    feed = json.loads(answer.text)
    assert [entry["txn_id"] for entry in feed] == [
        "high_approved",
        "nan",
        "unscored",
        "reviewed_low",
        *[f"txn_{n:03}" for n in range(46)],
    ]
    assert feed[4] == {
        "time": now.isoformat(),
        "txn_id": "txn_000",
        "score": 0.9,
        "decision": "BLOCKED",
        "top_feature": "txn_velocity_1h=12",
    }
    assert [entry["score"] for entry in feed[:4]] == [0.66, None, None, 0.1]


def test_an_empty_feed(web: Served) -> None:
    assert web.get("/api/monitoring/fraud_feed").json() == []


@pytest.mark.parametrize("path", ["/api/monitoring/kpis", "/api/monitoring/fraud_feed"])
def test_the_api_without_its_source_is_503(sourceless: Served, path: str) -> None:
    answer = sourceless.get(path)
    assert answer.status_code == 503
    assert set(answer.json()) == {"error"}
    assert "s3cr3t" not in answer.text
    assert "hush" not in answer.text


def test_cors_is_closed_by_default(web: Served) -> None:
    for origin in ("https://ops.example", "null", "*", ""):
        answer = web.get("/api/monitoring/kpis", headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_cors_is_open_for_configured_origins_only(web: Served) -> None:
    web.exporter.apply(Config(probes={}, api=Api(cors_origins=("https://ops.example",))))
    for path in ("/api/monitoring/kpis", "/api/monitoring/fraud_feed"):
        allowed = web.get(path, headers={"Origin": "https://ops.example"})
        assert allowed.headers["Access-Control-Allow-Origin"] == "https://ops.example"
        assert allowed.headers["Vary"] == "Origin"
        for origin in ("https://ops.example.evil", "http://ops.example", "https://OPS.example", "null"):
            assert "Access-Control-Allow-Origin" not in web.get(path, headers={"Origin": origin}).headers
    metrics = web.get("/metrics", headers={"Origin": "https://ops.example"})
    assert "Access-Control-Allow-Origin" not in metrics.headers


# --- connections


def test_connections_are_kept(web: Served) -> None:
    with socket.create_connection(("127.0.0.1", web.port)) as connection:
        for _ in range(5):
            connection.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            received = b""
            while not received.endswith(b"Healthy\n"):
                received += connection.recv(4096)
            assert received.startswith(b"HTTP/1.1 200 OK")
            assert b"connection: close" not in received.lower()


def accepted_sockets(port: int) -> list[bool]:
    """Whether TCP_NODELAY is set, for each connection that this process has accepted on a port."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if not str(entry.readlink()).startswith("socket:"):
                continue
            with socket.fromfd(int(entry.name), socket.AF_INET, socket.SOCK_STREAM) as copy:
                if copy.getsockname()[1] == port and not copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    found.append(bool(copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
        except OSError:
            continue
    return found


def test_tcp_nodelay_is_set(web: Served) -> None:
    with requests.Session() as session:
        session.get(f"{web.url}/-/healthy", timeout=20)  # the session keeps its connection
        assert accepted_sockets(web.port) == [True]


def test_silent_and_unfinished_clients_keep_nobody_waiting(web: Served) -> None:
    silent = [socket.create_connection(("127.0.0.1", web.port)) for _ in range(40)]
    begun = [socket.create_connection(("127.0.0.1", web.port)) for _ in range(10)]
    for connection in begun:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost:")
    assert web.get("/-/healthy").text == "Healthy\n"
    for connection in (*silent, *begun):
        connection.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"garbage\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n",
    ],
    ids=["tls", "garbage", "version", "long"],
)
def test_garbage_is_refused_and_the_next_client_served(web: Served, request_bytes: bytes) -> None:
    with socket.create_connection(("127.0.0.1", web.port)) as connection:
        connection.sendall(request_bytes)
        connection.shutdown(socket.SHUT_WR)
        try:
            reply = connection.recv(4096)
        except ConnectionResetError:
            reply = b""
        assert not reply or reply.split()[1].startswith((b"4", b"5"))
    assert web.get("/-/healthy").status_code == 200


def test_configured_headers_are_on_every_answer(web: Served) -> None:
    web.application.use(WebConfig(http_server_config=HttpServerConfig(headers={"X-Frame-Options": "deny"})))
    for path in ("/", "/metrics", "/nowhere", "/-/reload"):
        answer = web.get(path)
        assert answer.headers["X-Frame-Options"] == "deny"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
