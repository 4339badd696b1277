"""Every path over HTTP: its answers, its formats and its refusals."""

from __future__ import annotations

import gzip
import http.client
import socket
from collections.abc import Sequence
from pathlib import Path

import bcrypt
import pytest
import redis
import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.collectors import METRICS, SECTIONS
from exporter.config import Config, RateLimits
from exporter.scrape import METRICS as OWN_METRICS
from exporter.scrape import Exposition
from exporter.web.config import HttpServerConfig, TlsServerConfig, WebConfig
from exporter.web.routes import prefers_openmetrics
from testbed.servers.contract import ContractDatabase
from tests.exporter.web.serving import Served, exporter_of, names, served

OPENMETRICS_ACCEPT = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"}


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
    assert families["process_cpu_seconds"].type == "counter"
    # Its name is that of a gauge, which came first.
    assert families["ticketing_fraud_predictions"].type == "gauge"
    assert families["ticketing_fraud_predictions_total"].type == "unknown"
    text_names = names(web.get("/metrics").text)
    assert {sample.name for family in families.values() for sample in family.samples} == text_names


def test_only_a_counter_beside_a_gauge_of_its_name_goes_without_a_type() -> None:
    names = {metric.name for metric in METRICS}
    for metric in METRICS:
        beside = metric.kind == "counter" and metric.name.removesuffix("_total") in names
        assert metric.beside_gauge == beside, metric.name


def test_every_family_is_one_of_the_documented_metrics(web: Served) -> None:
    known = {metric.name: metric.kind for metric in (*METRICS, *OWN_METRICS)}
    for line in web.get("/metrics").text.splitlines():
        if line.startswith("# TYPE ticketing_"):
            _, _, name, kind = line.split()
            assert known[name] == kind


@pytest.mark.parametrize("accept", ["*/*", "text/plain", "application/json", "garbage;;q=z"])
def test_any_other_accept_gets_text(web: Served, accept: str) -> None:
    assert "text/plain" in web.get("/metrics", headers={"Accept": accept}).headers["Content-Type"]


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("application/openmetrics-text", True),
        ("Application/OpenMetrics-Text; version=1.0.0", True),
        ("application/openmetrics-text;q=0.5,*/*;q=0.1", True),
        ("text/plain;q=0.9, application/openmetrics-text;q=0.5", False),
        ("application/openmetrics-text;q=0, text/plain", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=much", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_the_format_with_more_weight(accept: str, openmetrics: bool) -> None:
    assert prefers_openmetrics(accept) is openmetrics


def test_a_whole_address_in_the_request_line(web: Served) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as connection:
        connection.sendall(b"GET http://exporter.example/-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b""
        while piece := connection.recv(4096):
            received += piece
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert received.endswith(b"Healthy\n")


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


@pytest.mark.parametrize("timeout", ["nan", "-1", "0", "inf", "soon", "1e999"])
def test_an_odd_scrape_timeout_is_ignored(web: Served, timeout: str) -> None:
    answer = web.get("/metrics?collect[]=kpis", headers={"X-Prometheus-Scrape-Timeout-Seconds": timeout})
    assert 'ticketing_exporter_collector_success{collector="kpis"} 1' in answer.text


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [("5", 4.5), ("0.2", 0.1), ("60", 59.5), ("61", 59.5), ("3600", 59.5), ("1e999", 59.5), ("nan", 9.5)],
)
def test_a_scrape_takes_a_little_less_than_is_waited_and_never_more_than_a_minute(
    web: Served, monkeypatch: pytest.MonkeyPatch, timeout: str, seconds: float
) -> None:
    taken: list[float] = []
    scrape = web.exporter.scraper.scrape

    def note(sections: Sequence[str], seconds: float, *, openmetrics: bool) -> Exposition:
        taken.append(seconds)
        return scrape(sections, seconds, openmetrics=openmetrics)

    monkeypatch.setattr(web.exporter.scraper, "scrape", note)
    web.get("/metrics?collect[]=health", headers={"X-Prometheus-Scrape-Timeout-Seconds": timeout})
    assert taken == [seconds]


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
    assert answer.text.count('class="ok"') == len([*SECTIONS, "postgresql", "redis"])
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


@pytest.mark.parametrize(
    "password", ["Tr0ub4dor/3", "4711/Tr0ub", "Tr0ub@4711/x", "x@Tr0ub", "Tr0ub?4711/@3", "Tr0ub#/4711", "Tr0ub%"]
)
def test_a_password_that_breaks_an_address_is_not_shown(password: str, caplog: pytest.LogCaptureFixture) -> None:
    exporter = exporter_of(f"postgresql://reader:{password}@127.0.0.1:1/none", f"redis://:{password}@127.0.0.1:1/0")
    with served(exporter) as running:
        shown = running.get("/-/ready").text + running.get("/metrics").text + running.get("/").text
    assert "PostgreSQL: " in shown
    assert "Redis: " in shown
    for text in (shown, caplog.text):
        assert "Tr0ub" not in text
        assert "4711" not in text


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


def test_reload_over_http_is_for_users_or_must_be_enabled(sourceless: Served) -> None:
    in_force = sourceless.exporter.config
    answer = requests.post(f"{sourceless.url}/-/reload", timeout=20)
    assert (answer.status_code, answer.text) == (
        403,
        "Without users this needs --web.enable-lifecycle; SIGHUP does not\n",
    )
    assert sourceless.exporter.config is in_force
    sourceless.application.use(WebConfig(basic_auth_users={"alice": bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()}))
    assert requests.post(f"{sourceless.url}/-/reload", timeout=20).status_code == 401
    assert requests.post(f"{sourceless.url}/-/reload", auth=("alice", "x"), timeout=20).text == "Reloaded\n"
    required = TlsServerConfig("crt", "key", client_auth_type="RequireAndVerifyClientCert")
    optional = TlsServerConfig("crt", "key", client_auth_type="VerifyClientCertIfGiven")
    for certificates, status in ((required, 200), (optional, 403)):
        sourceless.application.use(WebConfig(tls_server_config=certificates))
        assert requests.post(f"{sourceless.url}/-/reload", timeout=20).status_code == status


def test_reload_swaps_adapters_under_running_scrapes(web: Served, redis_client: redis.Redis) -> None:
    redis_client.hset("ratelimit:limits", "global_per_minute", "10000")
    before = web.get("/metrics?collect[]=traffic").text
    assert 'ticketing_rate_limit_requests_per_minute{scope="global"} 10000.0' in before
    limits = RateLimits(adapter="flask-limiter", global_per_minute=77)
    web.exporter.apply(Config(probes={}, rate_limits=limits))
    after = web.get("/metrics?collect[]=traffic").text
    assert 'ticketing_rate_limit_requests_per_minute{scope="global"} 77.0' in after


def test_a_reload_that_changes_nothing_reads_everything_anew(
    web: Served, database: ContractDatabase, config_file: Path
) -> None:
    def blocked_in_a_day() -> str:
        (line,) = [
            line
            for line in web.get("/metrics").text.splitlines()
            if line.startswith('ticketing_fraud_predictions{decision="BLOCKED",window="24h"}')
        ]
        return line.rpartition(" ")[2]

    config_file.write_text("probes: {}\n")
    for _ in range(2):
        assert requests.post(f"{web.url}/-/reload", timeout=20).status_code == 200
    assert blocked_in_a_day() == "0"
    database.server.execute(
        "INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision)"
        " VALUES (now() - interval '20 h', 'filled in later', 0.9, 'BLOCKED')",
        database.name,
    )
    assert blocked_in_a_day() == "0"
    assert requests.post(f"{web.url}/-/reload", timeout=20).status_code == 200
    assert blocked_in_a_day() == "1"


def test_a_reload_of_the_rate_limits_leaves_counters_and_history_where_they_are(
    web: Served, database: ContractDatabase
) -> None:
    web.get("/metrics")
    database.server.execute(
        "INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision)"
        " VALUES (now(), 'a', 0.9, 'BLOCKED')",
        database.name,
    )
    counted = 'ticketing_fraud_predictions_total{decision="BLOCKED"} 1'
    assert counted in web.get("/metrics").text
    web.exporter.apply(Config(probes={}, rate_limits=RateLimits(adapter="flask-limiter", global_per_minute=77)))
    assert counted in web.get("/metrics").text


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


def test_configured_headers_are_on_every_answer(web: Served) -> None:
    web.application.use(WebConfig(http_server_config=HttpServerConfig(headers={"X-Frame-Options": "deny"})))
    for path in ("/", "/metrics", "/nowhere", "/-/reload"):
        answer = web.get(path)
        assert answer.headers["X-Frame-Options"] == "deny"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
