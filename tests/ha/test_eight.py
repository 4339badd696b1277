"""Two of each: whatever is killed, cut off or stopped during an attack, it is answered once and told."""

import logging
from collections.abc import Iterator

import pytest

from demo.directory import run_directory
from tests.ha.dashboard import expected
from tests.ha.disturbances import ATTACK, HEADING, LATENCY, QUICK, SOON, kill, kills, outages, partition, suffer
from tests.ha.stack import Stack, running_stack
from tests.responder.process import wait_until

_LOG = logging.getLogger(__name__)


@pytest.fixture
def stack() -> Iterator[Stack]:
    with run_directory() as directory, running_stack(directory) as stack:
        wait_until(lambda: collected(stack) >= 2 * QUICK, SOON)
        yield stack


def collected(stack: Stack) -> int:
    """How many sections of both exporters both Prometheus servers have."""
    return min(len(one.query("ticketing_exporter_collector_success == 1")) for one in stack.parts.prometheuses)


@pytest.mark.slow
def test_one_of_each_pair_is_killed(stack: Stack) -> None:
    parts = stack.parts
    # Most panels have something to show, but for section model.
    wait_until(lambda: len(expected(parts)) >= 70, SOON, lambda: f"{len(expected(parts))} queries are answered")
    queries = expected(parts)
    for server in (parts.exporters[0], parts.prometheuses[0], parts.alertmanagers[0], parts.responders[0]):
        suffer(stack, kill(server), queries)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_everything_breaks_in_turn(stack: Stack) -> None:
    wait_until(lambda: collected(stack) == 12, 120)
    queries = expected(stack.parts)
    stack.slow_down()
    breaking = (*kills(stack), partition(stack), *outages(stack))
    results = [suffer(stack, disturbance, queries) for disturbance in breaking]
    # Pending all that time, it fires; and once more everything dies.
    wait_until(lambda: stack.replicas() == 4, 420, lambda: str(stack.told()))
    wait_until(lambda: stack.told()["slack", LATENCY, "firing"] >= 1, SOON)
    results += [suffer(stack, disturbance, queries) for disturbance in kills(stack)]
    _LOG.info("results:\n%s\n%s", HEADING, "\n".join(str(result) for result in results))
    assert stack.replicas() == 4
    wait_for_the_end(stack)


def wait_for_the_end(stack: Stack) -> None:
    """Nobody attacks and nothing is slow any more: that is told, once or twice, and the backend put back."""
    stack.stop_attacking()
    stack.speed_up()
    # The window of the count, keep_firing_for, and the responder's own patience.
    wait_until(lambda: all(stack.incidents(ATTACK, one) == ["closed"] for one in stack.accounts), 1200)
    wait_until(lambda: stack.incidents(LATENCY) == ["closed"], 900)
    wait_until(lambda: stack.replicas() == 2, 900)
    told = stack.told()
    _LOG.info("after the end: %s", dict(told))
    for account in stack.accounts:
        assert set(stack.effects(account).values()) == {1}
        assert all(1 <= told["pagerduty", account, status] <= 2 for status in ("firing", "resolved"))
    assert all(1 <= told["slack", LATENCY, status] <= 2 for status in ("firing", "resolved"))
