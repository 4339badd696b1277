"""What a real Prometheus has really fired, to hold a backtest against."""

import time

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
