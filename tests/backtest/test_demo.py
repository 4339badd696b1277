"""A demo with incidents: the backtest says what Prometheus, Alertmanager and the responder's ledger really did."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import yaml

from backtest.__main__ import main
from backtest.engine import Firing
from demo import incident
from demo.directory import run_directory
from demo.parts import Parts, plan, running
from demo.programs import Responder
from demo.reach import OnThisMachine
from responder.playbook_file import SHIPPED
from tests.alertmanager.chain import wait_until
from tests.backtest.live import apart, assert_same_incidents, compared, fired, is_over, ledger, seconds, told
from tests.demo.test_end_to_end import ADMIN_ATTACK, FRAUD_SPIKE, LONGEST, configure

pytestmark = pytest.mark.slow

#: Seconds between two evaluations of the backtest, and between two scrapes; the demo's rules are evaluated each second.
STEP = 2
#: An evaluation of the backtest, and one scrape that it meets at once and Prometheus at its next evaluation.
APART = 2 * STEP
#: Longer than what the hastened alerts look back upon and wait.
WARM_UP = 16
#: The responder looks whether an incident is over every five seconds.
CHECK_EVERY = 5
PLAYBOOKS = ("UnauthorizedAdminAccess", "FraudRateSpike")


class HastyResponder(Responder):
    """With the shipped playbooks, whose incidents are over soon after their alerts."""

    def command(self) -> list[str]:
        content = yaml.safe_load(SHIPPED.read_text())
        for playbook in content.values():
            collected, *_ = playbook["ends_when"]["all"]
            playbook["ends_when"] = {"all": [collected], "for": "4s"}
        path = self.directory / "playbooks.yml"
        path.write_text(yaml.safe_dump(content))
        return [*super().command(), f"--playbooks.file={path}"]


@contextmanager
def pipeline() -> Iterator[Parts]:
    with run_directory() as directory:
        parts = plan(directory, preset=None, hours=1)
        own, token = parts.responder, directory / "alerting" / "secrets" / "responder_token"
        hasty = HastyResponder(own.directory, parts.postgres, parts.redis, token)
        hasty.name = own.name
        parts = replace(parts, responders=(hasty,))
        configure(parts)
        with running(parts):
            yield parts


def well(parts: Parts) -> bool:
    """Whether everything has been collected for as long as the rules look back, and nothing fires any more."""
    kept = f"count_over_time(ticketing_exporter_collector_success[{2 * WARM_UP}s] offset {2 * WARM_UP}s)"
    names = {labels["alertname"] for labels, _ in parts.prometheus.query("ALERTS")}
    return len(parts.prometheus.query(kept)) == 6 and names == {"Watchdog"}


def test_says_what_prometheus_alertmanager_and_the_ledger_did(capsys: pytest.CaptureFixture[str]) -> None:
    with pipeline() as parts:
        demo = OnThisMachine({"simulator": parts.simulator.url, "prometheus": parts.prometheus.url})
        wait_until(lambda: well(parts), 2 * LONGEST)
        start = int(time.time()) // STEP * STEP
        for one in (ADMIN_ATTACK, FRAUD_SPIKE):
            incident.start(demo, one)
        wait_until(
            lambda: (
                {one["playbook"] for one in ledger(parts.responder.url, parts.responder.token(), PLAYBOOKS)}
                == {*PLAYBOOKS}
            ),
            LONGEST,
        )
        for one in (ADMIN_ATTACK, FRAUD_SPIKE):
            incident.stop(demo, one)
        wait_until(
            lambda: all(map(is_over, ledger(parts.responder.url, parts.responder.token(), PLAYBOOKS))), 2 * LONGEST
        )
        # The backtest may see an end by as much later as it is allowed to.
        closed = max(
            seconds(one["closed_at"]) for one in ledger(parts.responder.url, parts.responder.token(), PLAYBOOKS)
        )
        wait_until(lambda: time.time() > closed + APART + CHECK_EVERY + STEP, LONGEST)
        end = int(time.time()) // STEP * STEP - STEP
        really = fired(parts.prometheus.url, start, end, STEP)
        books = f"--playbooks={parts.responder.directory / 'playbooks.yml'}"
        times = [f"--from={start}", f"--to={end}", f"--step={STEP}s", f"--warm-up={WARM_UP}s", "--output=json"]
        rules = f"--rules={parts.rules}"
        assert main([f"--prometheus={parts.prometheus.url}", rules, books, *times]) == 0
        (foreseen,) = json.loads(capsys.readouterr().out)["rule_sets"]
        webhooks = [alert for one in parts.inbox.notifications("responder") for alert in one["raw"]["alerts"]]
        incidents = ledger(parts.responder.url, parts.responder.token(), PLAYBOOKS)

    firings = [Firing(**one) for one in foreseen["alerts"]]
    assert apart(told(firings), really) <= APART, compared(told(firings), really)

    # Alertmanager told of each, with the begin that Prometheus had told it.
    begins = {one.name: one.start for one in firings}
    for name in PLAYBOOKS:
        sent = {seconds(alert["startsAt"]) for alert in webhooks if alert["labels"]["alertname"] == name}
        assert min(sent) == pytest.approx(begins[name], abs=APART)

    assert_same_incidents(incidents, foreseen["incidents"], APART, APART + CHECK_EVERY)
