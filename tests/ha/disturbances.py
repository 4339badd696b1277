"""What happens to the stack during an attack, and what must hold at every point of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from simulator.local.server import Server
from tests.grafana.board import Asked
from tests.ha.dashboard import unanswered
from tests.ha.stack import EFFECTS, Stack
from tests.responder.process import wait_until

#: How soon an attack has to be told and answered while one of a pair is down: generous, the machine may be busy.
SOON = 60

LATENCY = "ApiLatencyDegradation"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Disturbance:
    """Something that breaks, and is mended.

    Attributes:
        name: for the table of results.
        breaks: breaks it.
        mends: mends it, and returns when it works again.
        seconds: how long it stays broken at least; 0 until the attack is told and answered without it.
        takes_rows: whether the dashboards' SQL has no answer meanwhile.
        takes_values: whether metrics are unknown meanwhile, so that panels may be empty.
    """

    name: str
    breaks: Callable[[], None]
    mends: Callable[[], None]
    seconds: float = 0
    takes_rows: bool = False
    takes_values: bool = False


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Attributes:
        name: of the disturbance.
        broken: seconds.
        told: seconds from the attack to the first page.
        locked: seconds from the attack until everything was done.
        asked: queries of the dashboards.
        answered: how many of them had an answer while it was broken.
        notifications: how often page, SMS and chat came.
        effects: how often each effect was seen.
    """

    name: str
    broken: float
    told: float
    locked: float
    asked: int
    answered: int
    notifications: tuple[int, int, int]
    effects: tuple[int, ...]

    def __str__(self) -> str:
        times = " / ".join(str(number) for number in self.notifications)
        done = "once each" if set(self.effects) == {1} else str(self.effects)
        return (
            f"| {self.name} | {self.broken:.0f} s | {self.answered} of {self.asked} | {self.told:.1f} s"
            f" | {self.locked:.1f} s | {times} | {done} |"
        )


HEADING = """\
| broken | for | queries answered | first page | all done | page / SMS / chat | effects |
|---|---|---|---|---|---|---|"""


def kill(server: Server) -> Disturbance:
    """SIGKILL, and a start on the same port with the same data."""
    return Disturbance(f"kill -9 {server.name}", server.kill9, lambda: void(server.start()))


def kills(stack: Stack) -> Sequence[Disturbance]:
    """Each of the eight."""
    parts = stack.parts
    return [kill(server) for server in (*parts.exporters, *parts.prometheuses, *parts.alertmanagers, *parts.responders)]


def partition(stack: Stack) -> Disturbance:
    """The Alertmanagers do not hear each other."""

    def breaks() -> None:
        for link in stack.links:
            link.cut()

    def mends() -> None:
        for link in stack.links:
            link.mend()
        wait_until(lambda: cluster_sizes(stack) == {2}, SOON, lambda: str(cluster_sizes(stack)))

    return Disturbance("Alertmanagers cut off from each other", breaks, mends, seconds=30)


def outages(stack: Stack) -> Sequence[Disturbance]:
    """The platform's databases, for 30 seconds each."""
    postgres, redis = stack.parts.postgres, stack.parts.redis
    return [
        Disturbance(
            "PostgreSQL stopped",
            partial(postgres.stop, "immediate"),
            lambda: void(postgres.start()),
            seconds=30,
            takes_rows=True,
            takes_values=True,
        ),
        Disturbance("Redis stopped", redis.stop, lambda: void(redis.start()), seconds=30, takes_values=True),
    ]


def void(_value: object) -> None:
    """Forget it."""


def cluster_sizes(stack: Stack) -> set[float]:
    """How many members each Alertmanager says that its cluster has."""
    found: set[float] = set()
    for alertmanager in stack.parts.alertmanagers:
        found.add(alertmanager.metric("alertmanager_cluster_members"))
    return found


def suffer(stack: Stack, disturbance: Disturbance, queries: Collection[Asked]) -> Result:
    """Attack one more account just before it breaks, mend it, and see what came of that and of all attacks before."""
    account = f"ops-{len(stack.accounts):02}"
    stack.attack(account)
    began = time.monotonic()
    disturbance.breaks()
    missing = unanswered(stack.parts, queries)
    for query in queries:
        unknown = disturbance.takes_values and missing.get(str(query)) == "nothing"
        if unknown or (query.is_sql and disturbance.takes_rows):
            continue
        assert str(query) not in missing, f"{disturbance.name}: {query}: {missing[str(query)]}"
    told = locked = None
    if not disturbance.seconds:
        told, locked = wait_for_response(stack, account, began)
    time.sleep(max(0, began + disturbance.seconds - time.monotonic()))
    broken = time.monotonic() - began
    disturbance.mends()
    if told is None or locked is None:
        told, locked = wait_for_response(stack, account, began)
    check(stack)
    notifications = stack.told()
    result = Result(
        name=disturbance.name,
        broken=broken,
        told=told,
        locked=locked,
        asked=len(queries),
        answered=len(queries) - len(missing),
        notifications=(
            notifications["pagerduty", account, "firing"],
            notifications["sms", account, "firing"],
            notifications["chat", account, "firing"],
        ),
        effects=tuple(stack.effects(account).values()),
    )
    _LOG.info("%s", result)
    return result


def wait_for_response(stack: Stack, account: str, began: float) -> tuple[float, float]:
    """Seconds until the first page, and until everything was done and told."""
    wait_until(lambda: stack.told()["pagerduty", account, "firing"] >= 1, SOON, lambda: f"no page: {stack.told()}")
    told = time.monotonic() - began
    wait_until(lambda: all(stack.effects(account).values()), SOON, lambda: f"{stack.effects(account)} {stack.told()}")
    locked = time.monotonic() - began
    wait_until(
        lambda: all(stack.told()[channel, account, "firing"] for channel in ("sms", "chat")),
        SOON,
        lambda: f"not told: {stack.told()}",
    )
    return told, locked


def check(stack: Stack) -> None:
    """Of every attack so far: done exactly once, told once or twice, going on, and nothing else was told.

    While the API is slow that may be told, too, or not yet.
    """
    told = stack.told()
    for account in stack.accounts:
        assert stack.effects(account) == dict.fromkeys(EFFECTS, 1), account
        for channel in ("pagerduty", "sms", "chat"):
            assert 1 <= told[channel, account, "firing"] <= 2, f"{channel} of {account}: {told}"
        assert stack.incidents(account) == ["open"], account
    assert not [one for one in told if one[2] == "resolved"], f"a false end: {told}"
    assert stack.incidents(None) in ([], ["open"])
    assert told["slack", LATENCY, "firing"] <= 2
    assert {about for _, about, _ in told} - {LATENCY} <= set(stack.accounts), f"told besides: {told}"
