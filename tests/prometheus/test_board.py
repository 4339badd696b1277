"""The fallback board: true values, no value where there is none, and no way to break it."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from testbed.servers.prometheus import SHIPPED_DIRECTORY, Prometheus
from tests.prometheus.board import GOLDEN, SECTIONS, board, fetch, golden, section
from tests.prometheus.promtool import promtool
from tests.prometheus.ruleset import RECORDED, rules

FILES = (SHIPPED_DIRECTORY / "consoles" / "monitoring.html", SHIPPED_DIRECTORY / "console_libraries" / "board.lib")
HOSTILE = '<script>alert(1)</script>\\" onload=\\"x'


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The board of a pair of exporters with the golden metrics."""
    text = golden() + f'ticketing_admin_mfa_failures{{account="{HOSTILE}",window="5m"}} 4\n'
    for severity in ("low", "critical", "medium", "high"):
        text += f'ALERTS{{alertname="A_{severity}",alertstate="firing",severity="{severity}",probe="p"}} 1\n'
    text = text.replace("1764357753.0", "4102444800")  # a block that still lasts
    with board(tmp_path_factory.mktemp("board"), [text, text]) as prometheus:
        # Every rule has been evaluated twice after the first scrape, those that build on others too.
        wait_for(prometheus, "ticketing_kpi_revenue_per_hour_usd offset 6s")
        yield fetch(prometheus)


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("kpis", ["1,247", "1.8%", "45ms", "$12,450", "✔ OK"]),
        ("fraud", ["BLOCKED 1 2 31", "APPROVED 2 6 92", "33.33% 18.18%", "from 0.80", "from 0.60", "xgboost"]),
        ("traffic", ["4,523 / 10,000 req/min", "203.0.113.6 460", "95 / 100 req/min", "198.51.100.7 ✖ BLOCKED until"]),
        ("model", ["actual fraud 15 0", "actual legit 8 91", "precision 0.652 0.670", "rare 3.7484", "2025-11-02"]),
        ("health", ["postgresql ✔ UP", "1000ms of 3600000ms", "CPU no data", "✔ 2 targets answer"]),
        ("security", ["1 CRITICAL 8 HIGH 7 MEDIUM 7 LOW", "admin0 3", "admin1 1"]),
    ],
)
def test_shows_the_values_once_for_a_pair_of_exporters(page: str, name: str, texts: list[str]) -> None:
    shown = section(page, name)
    assert [text for text in texts if text not in shown] == [], shown


def test_draws_what_it_has(page: str) -> None:
    assert page.count('<svg class="spark') == 6
    heights = re.findall(r'<rect x="\d+" y="0" width="2" height="([\d.]+)"/>', page)
    assert heights
    assert {float(height) for height in heights} == {39.0}  # each gauge is at its own highest value
    assert "ZgotmplZ" not in page  # what html/template puts in place of an unsafe value


def test_labels_cannot_inject_markup(page: str) -> None:
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_needs_no_script_and_nothing_from_elsewhere(file: Path) -> None:
    unwanted = r"<(script|link|img|iframe|object|form)\b|\bon\w+=|url\(|@import|https?://|safeHtml"
    assert not re.search(unwanted, file.read_text())


def test_fresh_and_empty(tmp_path: Path) -> None:
    with board(tmp_path, rules=False) as prometheus:
        page = fetch(prometheus)
        assert [name for name in SECTIONS if "no data" not in section(page, name)] == []
        assert "✔" not in page
        # No alert is not the same as nobody who watches.
        assert "the alert rules are not evaluated" in section(page, "alerts")
        assert "? NOT LIVE" in page
        assert "● LIVE" not in page
        assert "The dashboard is not answering" not in page
        assert "The dashboard is not answering" in fetch(prometheus, "?down=1")


def test_firing_alerts_the_most_severe_first(page: str) -> None:
    shown = section(page, "alerts")
    assert "not evaluated" not in shown
    assert "Watchdog" not in shown
    assert re.findall(r"A_(\w+)", shown) == ["critical", "high", "medium", "low"]


def test_says_that_it_is_live_and_since_when_an_alert_is_active(page: str) -> None:
    assert "● LIVE" in page
    assert re.search(r"UnauthorizedAdminAccess &lt;.* security since \d\d-\d\d \d\d:", section(page, "alerts"))


@pytest.mark.parametrize(
    ("samples", "known", "count"),
    [
        ("5x20", "1x20", None),  # nothing in the window
        ("5x10 6x3 8x5", "1x20", 3),
        ("_x15 1x4", "1x20", 1),  # the first of its kind
        ("_x10 2x3 5x5", "1x20", 5),
        ("5x10 1x9", "1x20", 1),  # the exporter was restarted
        ("_x15 500x4", "_x15 1x4", None),  # Prometheus is new, its exporter is not
    ],
)
def test_kinds_of_events_are_counted_from_the_first(
    tmp_path: Path, samples: str, known: str, count: int | None
) -> None:
    found = re.search(r'query \(printf "(topk\(8, .*?)" \$p\) }}', FILES[0].read_text())
    assert found
    query = found[1].replace("%[1]s", 'platform="main"')
    labels = '{job="ticketing-critical",instance="e",platform="main"}'
    series = {
        f"ticketing_security_events{labels}": known,
        f'ticketing_security_events_total{labels[:-1]},event_type="t"}}': samples,
    }
    expected = [{"labels": '{event_type="t"}', "value": count}] if count else []
    test = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [{"expr": f"round({query})", "eval_time": "19m", "exp_samples": expected}],
            }
        ],
    }
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump(test))
    result = promtool("test", "rules", file)
    assert result.returncode == 0, result.stdout + result.stderr


def test_nan_and_infinity_do_not_break_it(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^((?!#).*) \S+$", r"\1 NaN", golden())
    with board(tmp_path, [text, text.replace(" NaN", " +Inf")]) as prometheus:
        wait_for(prometheus, "count(ticketing:kpi_revenue_per_hour_usd:max)")
        page = fetch(prometheus)
        assert [name for name in SECTIONS if not section(page, name)] == []


def wait_for(prometheus: Prometheus, query: str) -> None:
    deadline = time.monotonic() + 20
    while not prometheus.query(query):
        assert time.monotonic() < deadline, query
        time.sleep(0.2)


def test_every_series_on_it_exists() -> None:
    text = "".join(file.read_text() for file in FILES).replace("ticketing:model_%s:ratio", "ticketing:model_f1:ratio")
    recorded = {rule.name for rule in rules() if not rule.is_alert}
    assert set(RECORDED.findall(text)) <= recorded
    exported = set(re.findall(r"(?m)^(ticketing_\w+)", GOLDEN.read_text()))
    assert set(re.findall(r"\bticketing_\w+", text)) <= exported


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
@pytest.mark.parametrize("width", [1366, 1920])
def test_fits_the_screen(page: str, tmp_path: Path, width: int) -> None:
    measure = (
        "<script>document.documentElement.innerHTML=JSON.stringify({page:document.documentElement.scrollWidth,"
        "window:innerWidth,cut:[...document.querySelectorAll('section,td,h3,.big')].filter(one=>"
        "one.scrollWidth>one.clientWidth+1&&!one.classList.contains('clip')).map(one=>one.textContent),"
        "sections:[...document.querySelectorAll('section')].map(one=>[one.id,one.clientHeight])})</script>"
    )
    file = tmp_path / "board.html"
    file.write_text(page.replace("</body>", measure + "</body>"))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
    flags += ["--no-first-run", "--disable-component-update", f"--user-data-dir={tmp_path / 'profile'}"]
    command = ["chromium", *flags, f"--window-size={width},900", "--dump-dom", file.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    seen = json.loads(re.search(r"\{.*\}", dom, re.DOTALL)[0])  # type: ignore[index]
    assert seen["page"] <= seen["window"] == width
    assert seen["cut"] == []
    shown = dict(seen["sections"])
    assert all(shown[name] > 50 for name in SECTIONS)
