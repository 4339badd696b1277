"""The busiest clients over several minutes, from one sorted set a minute.

Adding up whole sets in Redis would block it for a second when tens of thousands of clients call. Instead the
top of each minute's set is read, and the candidates found there are looked up in the minutes where they are
not at the top. That is exact while the last reported total is above the sum of what each list ends with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exporter.collectors.base import Moment
from exporter.collectors.values import answer_of
from exporter.sources.redis import Command, RedisSource

# How many of each minute's clients are read; more only when fewer cannot settle the order.
DEPTHS = (50, 200, 1000)

Scores = dict[str, float]


def commands(minutes: Sequence[int], depth: int = DEPTHS[0]) -> list[Command]:
    """What to ask Redis first: the top of each minute."""
    return [("ZREVRANGE", _key(minute), 0, depth - 1, "WITHSCORES") for minute in minutes]


def busiest(
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
        At most `most` clients, busiest first, then by name; None when a minute's key cannot be read.
    """
    ranked: list[tuple[str, list[float]]] = []
    for depth in DEPTHS:
        if depth > DEPTHS[0]:
            answers = redis.read(commands(minutes, depth), moment.deadline)
        tops = _tops(moment, minutes, answers)
        if tops is None:
            return None
        clients = sorted(set().union(*tops))
        counts = [
            _look_up(moment, redis, minute, top, clients) if len(top) >= depth else top
            for minute, top in zip(minutes, tops, strict=True)
        ]
        totals = [(client, [count.get(client, 0.0) for count in counts]) for client in clients]
        ranked = sorted(totals, key=lambda item: (-sum(item[1]), item[0]))[:most]
        unseen = sum(min(top.values()) for top in tops if len(top) >= depth)
        if unseen == 0 or (len(ranked) == most and sum(ranked[-1][1]) > unseen):
            break
    return ranked


def _tops(moment: Moment, minutes: Sequence[int], answers: Sequence[Any]) -> list[Scores] | None:
    tops = []
    for minute, answer in zip(minutes, answers, strict=True):
        flat = answer_of(moment, _key(minute), answer)
        if flat is None:
            return None
        tops.append(dict(zip(flat[::2], map(float, flat[1::2]), strict=True)))
    return tops


def _look_up(moment: Moment, redis: RedisSource, minute: int, top: Scores, clients: Sequence[str]) -> Scores:
    missing = [client for client in clients if client not in top]
    if not missing:
        return top
    (answer,) = redis.read([("ZMSCORE", _key(minute), *missing)], moment.deadline)
    scores = answer_of(moment, _key(minute), answer) or []
    found = {client: float(score) for client, score in zip(missing, scores, strict=False) if score is not None}
    return top | found


def _key(minute: int) -> str:
    return f"traffic:clients:{minute}"
