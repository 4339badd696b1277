"""What happens to the stack during an attack, and what must hold at every point of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from testbed.servers.alertmanager import Alertmanager
from testbed.servers.server import Server
from testbed.viewer.board import Asked
from tests.ha.dashboard import unanswered
from tests.ha.stack import EFFECTS, Stack
from tests.responder.process import wait_until

#: How soon an attack has to be told and answered while one of a pair is down: generous, the machine may be busy.
SOON = 60

#: Sections that are scraped within seconds, of six.
QUICK = 5

CHANNELS = ("pagerduty", "sms", "chat")
ATTACK, LATENCY = "UnauthorizedAdminAccess", "ApiLatencyDegradation"

#: Of the ordinary days that the simulator shows, some hours have that much fraud: twice a day or so.
BY_CHANCE = "FraudRateSpike"

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
        tells: alerts that are right about it, and may be told.
    """

    name: str
    breaks: Callable[[], object]
    mends: Callable[[], object]
    seconds: float = 0
    takes_rows: bool = False
    takes_values: bool = False
    tells: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Attributes:
        name: of the disturbance.
        broken: seconds.
        told: seconds from the attack to the first page.
        done: seconds from the attack to the chat, which is told last.
        asked: queries of the dashboards.
        answered: how many of them had an answer while it was broken.
        notifications: how often page, SMS and chat came.
        effects: how often each effect was seen.
    """

    name: str
    broken: float
    told: float
    done: float
    asked: int
    answered: int
    notifications: tuple[int, ...]
    effects: tuple[int, ...]

    def __str__(self) -> str:
        times = " / ".join(str(number) for number in self.notifications)
        done = "once each" if set(self.effects) == {1} else str(self.effects)
        return (
            f"| {self.name} | {self.broken:.0f} s | {self.answered} of {self.asked} | {self.told:.1f} s"
            f" | {self.done:.1f} s | {times} | {done} |"
        )


HEADING = """\
| broken | for | queries answered | first page | all done | page / SMS / chat | effects |
|---|---|---|---|---|---|---|"""


def kill(server: Server) -> Disturbance:
    """SIGKILL, and a start on the same port with the same data."""

    def mends() -> None:
        server.start()
        if isinstance(server, Alertmanager):
            # Until it has heard its peer, for some ten seconds, it tells nobody anything.
            wait_until(lambda: server.settled, SOON)

    return Disturbance(f"kill -9 {server.name}", server.kill9, mends)


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
            postgres.stop,
            postgres.start,
            seconds=30,
            takes_rows=True,
            takes_values=True,
            # The responders take nothing for longer than one delivery is tried.
            tells=frozenset({"NotificationsFailing"}),
        ),
        Disturbance("Redis stopped", redis.stop, redis.start, seconds=30, takes_values=True),
    ]


def cluster_sizes(stack: Stack) -> set[float]:
    """How many members each Alertmanager says that its cluster has."""
    return {alertmanager.metric("alertmanager_cluster_members") for alertmanager in stack.parts.alertmanagers}


def suffer(stack: Stack, disturbance: Disturbance, queries: Collection[Asked]) -> Result:
    """Attack one more account just before it breaks, mend it, and see what came of that and of all attacks before."""
    account = f"ops-{len(stack.accounts):02}"
    began = time.time()
    stack.attack(account)
    stack.besides |= disturbance.tells
    disturbance.breaks()
    missing = unanswered(stack.parts, queries)
    for query in queries:
        unknown = disturbance.takes_values and missing.get(str(query)) == "nothing"
        if unknown or (query.is_sql and disturbance.takes_rows):
            continue
        assert str(query) not in missing, f"{disturbance.name}: {query}: {missing[str(query)]}"
    if not disturbance.takes_values:
        wait_for_response(stack, account)
    time.sleep(max(0, began + disturbance.seconds - time.time()))
    broken = time.time() - began
    disturbance.mends()
    mended = time.time()
    wait_for_response(stack, account)
    check(stack)
    # One at a time: the next one finds all eight at work.
    wait_until(lambda: is_whole(stack, mended), SOON, lambda: f"after {disturbance.name} not whole again")
    told = stack.told()
    result = Result(
        name=disturbance.name,
        broken=broken,
        told=stack.first_told(("pagerduty", account, "firing")) - began,
        done=stack.first_told(("chat", account, "firing")) - began,
        asked=len(queries),
        answered=len(queries) - len(missing),
        notifications=tuple(told[channel, account, "firing"] for channel in CHANNELS),
        effects=tuple(stack.effects(account).values()),
    )
    _LOG.info("%s", result)
    return result


def is_whole(stack: Stack, since: float) -> bool:
    """Whether both Prometheus servers have scraped both exporters since then, all that is scraped within seconds."""
    success = 'ticketing_exporter_collector_success{job=~"ticketing-(critical|live)"}'
    scraped = f"count(timestamp({success}) > {since:.3f} and {success} == 1) == {2 * QUICK}"
    return all(prometheus.query(scraped) for prometheus in stack.parts.prometheuses) and cluster_sizes(stack) == {2}


def wait_for_response(stack: Stack, account: str) -> None:
    """Until everybody is told and everything done."""

    def told() -> bool:
        return all(stack.told()[channel, account, "firing"] for channel in CHANNELS)

    wait_until(told, SOON, lambda: f"{account} is not told of: {stack.told()}")
    wait_until(lambda: all(stack.effects(account).values()), SOON, lambda: f"{account}: {stack.effects(account)}")


def check(stack: Stack) -> None:
    """Of every attack so far: done exactly once, told once or twice, going on, and nothing else was told.

    While the API is slow that may be told, too, or not yet.
    """
    told = stack.told()
    for account in stack.accounts:
        assert stack.effects(account) == dict.fromkeys(EFFECTS, 1), account
        for channel in CHANNELS:
            assert 1 <= told[channel, account, "firing"] <= 2, f"{channel} of {account}: {told}"
        assert stack.incidents(ATTACK, account) == ["open"], account
    besides = {BY_CHANCE, *stack.besides}
    assert {about for _, about, status in told if status == "resolved"} <= besides, f"a false end: {told}"
    assert stack.incidents(LATENCY) in ([], ["open"])
    assert told["slack", LATENCY, "firing"] <= 2
    assert {about for _, about, _ in told} <= {LATENCY, *besides, *stack.accounts}, f"told besides: {told}"
