"""The busiest clients over several minutes, from one sorted set a minute.

Adding up whole sets in Redis would block it for a second when tens of thousands of clients call. Instead the
top of each minute's set is read, and the candidates found there are looked up in the minutes where they are
not at the top. That is exact while the last reported total is above the sum of what each list ends with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contract.definition import REQUESTS_BY_CLIENT
from exporter.collectors.base import Moment
from exporter.collectors.values import answer_of
from exporter.sources.redis import Command, RedisSource

DEPTHS = (50, 200, 1000)
"""How many of each minute's clients are read; more only when fewer cannot settle the order."""

MOST_REQUESTS = 2**53
"""A number of requests counts from 0 to below this, as far as each is a number of its own."""

Scores = dict[str, float]


def commands(minutes: Sequence[int], depth: int = DEPTHS[0]) -> list[Command]:
    """What to ask Redis first: of each minute the top, how many clients there are, and how many with usable numbers."""
    below = f"({MOST_REQUESTS}"
    return [
        command
        for key in map(_key, minutes)
        for command in (
            ("ZREVRANGEBYSCORE", key, below, 0, "WITHSCORES", "LIMIT", 0, depth),
            ("ZCARD", key),
            ("ZCOUNT", key, 0, below),
        )
    ]


def last_minute_is_known(answers: Sequence[Any]) -> bool:
    """Whether the set of the first of the minutes is there, so that whoever is not in it made no requests then.

    Args:
        answers: to `commands(minutes)`.
    """
    usable = answers[2]
    return isinstance(usable, int) and usable > 0


async def busiest(
    moment: Moment, redis: RedisSource, minutes: Sequence[int], answers: Sequence[Any], most: int
) -> list[tuple[str, list[float]]] | None:
    """Clients with most requests in all the minutes together, with their requests in each.

    Args:
        moment: collects problems.
        redis: asked again where the answers are not enough.
        minutes: since the epoch.
        answers: to `commands(minutes)`.
        most: how many clients.

    Returns:
        At most `most` clients, busiest first, then by name; None, with a problem reported, when Redis refuses what is
        needed to know them.
    """
    ranked: list[tuple[str, list[float]]] = []
    unnamed = 0
    for depth in DEPTHS:
        if depth > DEPTHS[0]:
            answers = await redis.read(commands(minutes, depth), moment.deadline)
        tops = _tops(moment, minutes, answers)
        if tops is None:
            return None
        # A client that is not in a list had no more requests in that minute than the last one in it.
        floors = [min(top.values()) if len(top) >= depth else 0.0 for top in tops]
        unnamed = sum("" in top for top in tops)
        # A client without a name would be a series without a label, and an alert about nobody.
        clients = [client for client in _candidates(tops, floors, most + 1) if client]
        counts = await _look_up(moment, redis, minutes, tops, floors, clients)
        if counts is None:
            return None
        totals = [(client, [count.get(client, 0.0) for count in counts]) for client in clients]
        ranked = sorted(totals, key=lambda item: (-sum(item[1]), item[0]))[:most]
        unseen = sum(floors)
        if unseen == 0 or (len(ranked) == most and sum(ranked[-1][1]) > unseen):
            break
    counted = zip(answers[1::3], answers[2::3], strict=True)
    rejected = sum(there - usable for there, usable in counted if isinstance(there, int) and isinstance(usable, int))
    moment.reject(f"key {REQUESTS_BY_CLIENT}: the requests of a client are not from 0 to 2^53", rejected)
    moment.reject(f"key {REQUESTS_BY_CLIENT}: a client has no name", unnamed)
    return ranked


def _tops(moment: Moment, minutes: Sequence[int], answers: Sequence[Any]) -> list[Scores] | None:
    tops = []
    for minute, answer in zip(minutes, answers[::3], strict=True):
        flat = answer_of(moment, _key(minute), answer)
        if flat is None:
            return None
        tops.append(dict(zip(flat[::2], map(float, flat[1::2]), strict=True)))
    return tops


def _candidates(tops: Sequence[Scores], floors: Sequence[float], most: int) -> list[str]:
    """The clients that may be among the busiest: most of those in the lists cannot."""
    least: dict[str, float] = {}
    above_floors: dict[str, float] = {}
    for top, floor in zip(tops, floors, strict=True):
        for client, score in top.items():
            least[client] = least.get(client, 0.0) + score
            above_floors[client] = above_floors.get(client, 0.0) + score - floor
    if len(least) <= most:
        return sorted(least)
    # Where a client is not in the list it has at most the floor.
    bar = sorted(least.values(), reverse=True)[most - 1] - sum(floors)
    return sorted(client for client, above in above_floors.items() if above >= bar)


async def _look_up(
    moment: Moment,
    redis: RedisSource,
    minutes: Sequence[int],
    tops: Sequence[Scores],
    floors: Sequence[float],
    clients: Sequence[str],
) -> list[Scores] | None:
    """The lists with the requests of these clients that were not at the top, in one round trip; None when refused."""
    counts = list(tops)
    missing = {
        position: [client for client in clients if client not in top]
        for position, (top, floor) in enumerate(zip(tops, floors, strict=True))
        if floor
    }
    asked = [position for position, names in missing.items() if names]
    if asked:
        questions = [("ZMSCORE", _key(minutes[position]), *missing[position]) for position in asked]
        for position, answer in zip(asked, await redis.read(questions, moment.deadline), strict=True):
            scores = answer_of(moment, _key(minutes[position]), answer)
            if scores is None:
                return None
            found = zip(missing[position], scores, strict=True)
            looked_up = {name: float(score) for name, score in found if score is not None}
            counts[position] = tops[position] | {name: n for name, n in looked_up.items() if 0 <= n < MOST_REQUESTS}
    return counts


def _key(minute: int) -> str:
    return REQUESTS_BY_CLIENT.format(minute=minute)
