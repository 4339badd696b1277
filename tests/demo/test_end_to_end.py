"""From a row in the platform's database to a message, and to the message that it is over, through real processes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import yaml

from demo import incident
from demo.configs import write_configs
from demo.directory import run_directory
from demo.incidents import INCIDENTS
from demo.parts import Parts, plan, running
from demo.reach import OnThisMachine
from demo.rules import write_rules
from tests.alertmanager.chain import hasten, wait_until
from tests.demo.told import expected, told, wait_for

ADMIN_ATTACK, EXPORTER_DOWN = INCIDENTS["admin-attack"], INCIDENTS["exporter-down"]
# Enough for a window of some seconds.
FRAUD_SPIKE = replace(INCIDENTS["fraud-spike"], parameters={"extra_per_hour": 90_000})

#: Of the hastened alerts, in seconds. An exporter that is kept waiting for a processor misses a scrape or two.
WAIT, WINDOW = 8, 6
LONGEST = 60
ALERTS = {alert for one in (ADMIN_ATTACK, FRAUD_SPIKE, EXPORTER_DOWN) for alert in one.tells}
STATES = ("firing", "resolved")


@contextmanager
def pipeline() -> Iterator[Parts]:
    """The demo's programs; scraped and evaluated more often, and with an Alertmanager in a hurry.

    The platform has a past of a day, in which a spike of fraud is no drift, and Prometheus none.
    """
    with run_directory() as directory:
        parts = plan(directory, preset=None, hours=24)
        configure(parts)
        with running(parts):
            yield parts


def configure(parts: Parts) -> None:
    write_configs(parts)
    write_rules(parts.rules, ALERTS, WAIT, WINDOW)
    for file in parts.rules.iterdir():
        file.write_text(file.read_text().replace("interval: 5s", "interval: 1s"))
    prometheus, alertmanager = parts.prometheus.config, parts.alertmanager.config
    scraping = yaml.safe_load(prometheus.read_text())
    for job in scraping["scrape_configs"]:
        # On a busy machine an answer may take longer than a second.
        job |= {"scrape_interval": "2s", "scrape_timeout": "2s"}
    prometheus.write_text(yaml.safe_dump(scraping))
    routing = yaml.safe_load(alertmanager.read_text())
    hasten(routing)
    alertmanager.write_text(yaml.safe_dump(routing))


def healthy(parts: Parts) -> bool:
    """Whether everything is collected, and whatever a slow start raised is over, and told to be over."""
    collected = parts.prometheus.query("ticketing_exporter_collector_success == 1")
    raised = parts.prometheus.query(f'ALERTS{{alertname=~"{"|".join(sorted(ALERTS))}"}}')
    counts = told(parts.inbox)
    firing, resolved = ({(one, two) for one, two, status in counts if status == state} for state in STATES)
    return len(collected) == 6 and not raised and firing == resolved


def test_who_is_told_when_it_begins_and_when_it_is_over() -> None:
    with pipeline() as parts:
        demo = OnThisMachine({"simulator": parts.simulator.url, "prometheus": parts.prometheus.url})
        inbox = parts.inbox
        wait_until(lambda: healthy(parts), LONGEST)
        inbox.clear()

        incident.start(demo, ADMIN_ATTACK)
        incident.start(demo, FRAUD_SPIKE)
        wait_for(inbox, expected(ADMIN_ATTACK, FRAUD_SPIKE, over=False), LONGEST)
        incident.stop(demo, ADMIN_ATTACK)
        incident.stop(demo, FRAUD_SPIKE)
        wait_for(inbox, expected(ADMIN_ATTACK, FRAUD_SPIKE, over=True), LONGEST)
        assert set(told(inbox).values()) == {1}
        responses = [one["raw"]["alerts"] for one in inbox.notifications("responder")]
        assert {alert["labels"].get("account") for (alert,) in responses} == {"alice.ops", None}

        inbox.clear()
        parts.exporter.stop()
        wait_for(inbox, expected(EXPORTER_DOWN, over=False), LONGEST)
        parts.exporter.start()
        wait_for(inbox, expected(EXPORTER_DOWN, over=True), LONGEST)
        time.sleep(2)
        assert set(told(inbox)) == expected(EXPORTER_DOWN, over=True)
        # The exporter's jobs are one incident.
        assert len({one["raw"]["dedup_key"] for one in inbox.notifications("pagerduty")}) == 1
