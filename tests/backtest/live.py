"""What a real Prometheus has really fired, to hold a backtest against."""

import time
from collections.abc import Collection
from datetime import datetime
from typing import Any

import pytest
import requests

from backtest.engine import Firing

Times = dict[tuple[tuple[str, str], ...], list[tuple[int, int | None]]]

FIRING = 'ALERTS{alertstate="firing"}'


def fired(url: str, start: int, end: int, step: int) -> Times:
    """Begin and end of each alert by its labels, both as seen at instants `step` seconds apart."""
    parameters: dict[str, str | int] = {"query": FIRING, "start": start, "end": end, "step": step}
    answer = requests.get(f"{url}/api/v1/query_range", params=parameters, timeout=30)
    answer.raise_for_status()
    found: Times = {}
    for series in answer.json()["data"]["result"]:
        labels = {name: text for name, text in series["metric"].items() if name not in ("__name__", "alertstate")}
        seen = [round(float(at)) for at, _ in series["values"]]
        begins = [at for at in seen if at - step not in seen]
        ends = [at + step if at + step <= end else None for at in seen if at + step not in seen]
        found[tuple(sorted(labels.items()))] = list(zip(begins, ends, strict=True))
    return found


def told(firings: list[Firing]) -> Times:
    """The same of a backtest."""
    found: Times = {}
    for one in firings:
        found.setdefault(one.key, []).append((one.start, one.end))
    return found


def apart(one: Times, other: Times) -> float:
    """Seconds between the begins and ends of the same alerts, at most; infinite when one has another alert."""
    if {key: len(times) for key, times in one.items()} != {key: len(times) for key, times in other.items()}:
        return float("inf")
    pairs = [
        (mine, theirs)
        for key, times in one.items()
        for both in zip(times, other[key], strict=True)
        for mine, theirs in zip(*both, strict=True)
    ]
    if any((mine is None) != (theirs is None) for mine, theirs in pairs):
        return float("inf")
    return max((abs(mine - theirs) for mine, theirs in pairs if mine is not None and theirs is not None), default=0.0)


def compared(one: Times, other: Times) -> str:
    """Both, alert by alert, for whoever reads a failure."""
    return "\n".join(f"{dict(key)}\n  {one.get(key)}\n  {other.get(key)}" for key in sorted({*one, *other}))


def wait_until(instant: float) -> None:
    """Let the time come."""
    time.sleep(max(0.0, instant - time.time()))


def ledger(url: str, token: str, playbooks: Collection[str]) -> list[dict[str, Any]]:
    """The incidents of these playbooks that a responder has."""
    answer = requests.get(f"{url}/incidents", headers={"Authorization": f"Bearer {token}"}, timeout=10)
    answer.raise_for_status()
    return [one for one in answer.json()["incidents"] if one["playbook"] in playbooks]


def is_over(one: dict[str, Any]) -> bool:
    """Whether nothing more will come of an incident."""
    return one["state"] == "closed" and all(action["state"] not in ("pending", "running") for action in one["actions"])


def seconds(text: str) -> float:
    """Unix seconds of an instant in JSON."""
    return datetime.fromisoformat(text).timestamp()


def assert_same_incidents(
    really: list[dict[str, Any]], foreseen: list[dict[str, Any]], apart: float, checked_apart: float
) -> None:
    """The ledger and the backtest have the same incidents, with the same actions, at the same times.

    Args:
        really: of the ledger, one of a playbook.
        foreseen: of the backtest.
        apart: seconds between two begins, at most.
        checked_apart: between what waits for a check whether the incident is over.
    """
    by_playbook = {one["playbook"]: one for one in really}
    assert len(by_playbook) == len(really)
    mine = {one["playbook"]: one for one in foreseen if one["playbook"] in by_playbook}
    assert mine.keys() == by_playbook.keys()
    for playbook, kept in by_playbook.items():
        told = mine[playbook]
        assert told["opened"] == pytest.approx(seconds(kept["opened_at"]), abs=apart)
        assert told["closed"] == pytest.approx(seconds(kept["closed_at"]), abs=checked_apart)
        for done, action in zip(told["actions"], kept["actions"], strict=True):
            assert (done["phase"], done["action"]) == (action["phase"], action["action"])
            assert (done["at"] is None) == (action["state"] == "skipped"), action
            assert (done["put_back"] is None) == (action["reverted_at"] is None), action
            if done["put_back"] is not None:
                assert done["put_back"] == pytest.approx(seconds(action["reverted_at"]), abs=checked_apart)
