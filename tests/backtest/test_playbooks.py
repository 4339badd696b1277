"""What the responder would have done, asked of a past that is made up."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from backtest import engine, playbooks, promtool, rules
from backtest.engine import Span
from backtest.playbooks import Incident
from common.yaml_files import Duration
from responder import playbook_file

STEP, START = 15, 1772474400
SPAN = Span(START, START + 7200, STEP, 300)
RULES = """
groups:
  - name: all
    rules:
      - record: level
        expr: max by (x, platform) (value)
      - alert: High
        expr: level > 1
        labels: {playbook: Calm, source_job: it}
"""
PLAYBOOKS = """
Calm:
  max_per_hour: 2
  ends_when:
    all: ['level{x="${labels.x}"} <= 1']
    for: 1m
  on_firing:
    - {action: set_fraud_threshold, value: 0.5, expires: 30m, cool_down: 2m, only_while: 'level{x="${labels.x}"} > 2'}
    - {action: notify, text: High}
    - {action: record_siem, severity: HIGH, event_type: high, message: High, dry_run: true}
  on_end:
    - {action: record_siem, severity: LOW, event_type: over, message: Over}
"""


def foreseen(directory: Path, **high: list[tuple[int, int, float]]) -> list[Incident]:
    """Incidents of series that are above 1 at times: from, to (seconds), value."""
    (directory / "rules.yml").write_text(RULES)
    (directory / "books").mkdir()
    (directory / "books" / "playbooks.yml").write_text(PLAYBOOKS)

    def source(first: int, last: int) -> Iterator[tuple[str, str]]:
        instants = [instant - START for instant in range(first, last + 1, STEP)]
        yield 'up{job="it",platform="main"}', promtool.values([1.0 for _ in instants])
        for name, times in high.items():
            points = [next((v for begin, end, v in times if begin <= at < end), 0.0) for at in instants]
            yield f'value{{x="{name}",platform="main"}}', promtool.values(points)

    chosen = rules.load(directory / "rules.yml")
    firings = engine.alerts(chosen, source, SPAN, processors=1)
    books = playbook_file.load(directory / "books" / "playbooks.yml")
    return playbooks.incidents(firings, books, chosen, lambda _names: source, SPAN)


def at(instant: int | None) -> int | None:
    return None if instant is None else instant - START


def test_acts_and_puts_back_after_the_verified_end(tmp_path: Path) -> None:
    (one,) = foreseen(tmp_path, a=[(600, 1200, 3.0)])
    assert (one.playbook, at(one.opened), at(one.closed), one.braked) == ("Calm", 600, 1260, False)
    assert [(done.action, done.phase, at(done.at), at(done.put_back)) for done in one.actions] == [
        ("set_fraud_threshold", "firing", 600, 1380),
        ("notify", "firing", 600, None),
        ("record_siem", "firing", None, None),
        ("record_siem", "end", 1260, None),
    ]


def test_what_is_skipped_for_now_is_done_when_the_alert_is_repeated(tmp_path: Path) -> None:
    (one,) = foreseen(tmp_path, a=[(600, 1000, 1.5), (1000, 1500, 3.0)])
    assert at(one.actions[0].at) == 1200
    (other,) = foreseen_again(tmp_path, a=[(600, 1500, 1.5)])
    assert (other.actions[0].at, other.actions[0].note) == (None, "only_while is false or unknown")


def foreseen_again(directory: Path, **high: list[tuple[int, int, float]]) -> list[Incident]:
    again = directory / "again"
    again.mkdir()
    return foreseen(again, **high)


def test_what_changes_nothing_for_too_long_expires(tmp_path: Path) -> None:
    (one,) = foreseen(tmp_path, a=[(600, 7200 + STEP, 3.0)])
    assert at(one.closed) is None
    assert at(one.actions[0].put_back) == 600 + 1800


def test_an_alert_that_comes_back_before_the_end_is_verified_is_the_same_incident(tmp_path: Path) -> None:
    (one,) = foreseen(tmp_path, a=[(600, 900, 3.0), (930, 1200, 3.0)])
    assert (at(one.opened), at(one.closed)) == (600, 1260)


def test_the_last_of_several_puts_back(tmp_path: Path) -> None:
    first, second = foreseen(tmp_path, a=[(600, 900, 3.0)], b=[(750, 1800, 3.0)])
    assert (at(first.closed), at(second.closed)) == (960, 1860)
    assert (first.actions[0].put_back, first.actions[0].note) == (None, "another incident still needs it")
    assert at(second.actions[0].put_back) == 1860 + 120


def test_more_than_the_brake_allows_are_left_to_people(tmp_path: Path) -> None:
    times = {name: [(600 + 300 * n, 800 + 300 * n, 3.0)] for n, name in enumerate("abcd")}
    found = foreseen(tmp_path, **times)
    assert [one.braked for one in found] == [False, False, True, True]
    assert all(done.at is None and "max_per_hour" in done.note for done in found[2].actions)
    assert [done.phase for done in found[2].actions] == ["firing"] * 3


def test_asks_for_what_playbooks_alone_read(tmp_path: Path) -> None:
    asked: set[str] = set()

    def source_of(names: frozenset[str]) -> engine.Source:
        asked.update(names)
        return lambda _first, _last: ()

    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "playbooks.yml").write_text(PLAYBOOKS.replace("<= 1", "<= 1 or of_no_rule"))
    books = playbook_file.load(tmp_path / "playbooks.yml")
    labels = {"alertname": "High", "playbook": "Calm", "x": "a", "source_job": "it", "platform": "main"}
    fired = engine.Firing(labels, START + 600, START + 900)
    (one,) = playbooks.incidents([fired], books, rules.load(tmp_path / "rules.yml"), source_of, SPAN)
    assert {"of_no_rule", "up", "value"} <= asked
    # Nothing is known, so nothing was certainly high, and nothing is certainly over.
    assert (one.actions[0].at, one.closed) == (None, None)


def test_what_is_skipped_is_looked_at_as_often_as_alertmanager_says_it_again() -> None:
    config = yaml.safe_load((Path(__file__).parents[2] / "alertmanager" / "alertmanager.yml").read_text())
    (route,) = [route for route in config["route"]["routes"] if route["receiver"] == "responder"]
    assert float(Duration.parse(route["repeat_interval"])) == playbooks.REPEATED_EVERY
