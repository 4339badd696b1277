"""Starts, lists and stops episodes."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from threading import Lock
from typing import Any

from simulator.clock import Clock
from simulator.episodes import EPISODES, Episode
from simulator.instants import DAY, MINUTE, moment
from simulator.world import World

# Parameters that become addresses in PostgreSQL, and how.
_ADDRESSES = {"source_ip": "{}", "network": "{}.1"}


class ControlError(Exception):
    """A request that cannot be fulfilled; the message is for the caller."""


class Control:
    """The episodes of a world, changed while it runs."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self._lock = Lock()

    def listing(self) -> dict[str, Any]:
        """Describe every kind, and the episodes of it that are on."""
        now = self._next()
        return {
            name: {
                "summary": kind.summary,
                "parameters": {"minutes": kind.minutes, **kind.parameters},
                "active": [_describe(e) for e in self._on(now) if e.name == name],
            }
            for name, kind in EPISODES.items()
        }

    def start(self, name: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Start an episode now: with the first instant that is not written yet.

        Args:
            name: of its kind, with underscores or hyphens.
            overrides: parameters that differ from their defaults; ``minutes`` is how long it lasts.

        Raises:
            ControlError: unknown kind or parameter, or a value that it cannot work with.
        """
        name = _known(name)
        kind = EPISODES[name]
        defaults: dict[str, float | str] = {"minutes": kind.minutes, **kind.parameters}
        for key, value in overrides.items():
            if key not in defaults:
                raise ControlError(f"{name} has no parameter {key!r}; it has {', '.join(defaults)}")
            wanted = str if isinstance(defaults[key], str) else (int, float)
            if not isinstance(value, wanted) or isinstance(value, bool):
                raise ControlError(f"parameter {key!r} of {name} must be like {defaults[key]!r}")
            if isinstance(value, str) and not value.isprintable():
                raise ControlError(f"parameter {key!r} of {name} must be printable")
            if not isinstance(value, str) and not 0 <= value <= 1e6:
                raise ControlError(f"parameter {key!r} of {name} must be between 0 and 1000000")
            defaults[key] = value
        minutes = float(defaults.pop("minutes"))
        with self._lock:
            now = self._next()
            episode = Episode(name, now, now + int(minutes * MINUTE), defaults)
            _try(World(self._world.source, (episode,)), episode)
            # That took a while, in which rows were written.
            now = self._next()
            episode = replace(episode, starts_at=now, ends_at=now + int(minutes * MINUTE))
            past = tuple(e for e in self._world.episodes if e.ends_at > now - DAY)
            self._world.set_episodes((*past, episode))
        return _describe(episode)

    def stop(self, name: str) -> int:
        """End all episodes of a kind now and return how many there were; ControlError on an unknown kind."""
        name = _known(name)
        with self._lock:
            now = self._next()
            on = [e for e in self._on(now) if e.name == name]
            self._world.set_episodes(tuple(replace(e, ends_at=now) if e in on else e for e in self._world.episodes))
        return len(on)

    def _next(self) -> int:
        """The first instant that is not written yet: before it an episode can neither begin nor end."""
        return self._clock.now() + self._world.written_ahead + 1

    def _on(self, now: int) -> list[Episode]:
        return [e for e in self._world.episodes if e.starts_at <= now < e.ends_at]


def _try(world: World, episode: Episode) -> None:
    """Refuse an episode that would break the loops which draw from it and write it."""
    now = episode.starts_at
    try:
        for name in _ADDRESSES.keys() & episode.parameters.keys():
            IPv4Address(_ADDRESSES[name].format(episode.text(name)))
        world.rows(now, now + 1)
        world.requests(now // MINUTE, now)
        world.events(now, now + 1)
        world.conditions(now)
    except (ValueError, ArithmeticError) as error:
        raise ControlError(f"not with these parameters: {error}") from error


def _known(name: str) -> str:
    name = name.replace("-", "_")
    if name not in EPISODES:
        raise ControlError(f"no episode {name!r}; there are {', '.join(EPISODES)}")
    return name


def _describe(episode: Episode) -> dict[str, Any]:
    return {
        "name": episode.name,
        "starts_at": moment(episode.starts_at).isoformat(),
        "ends_at": moment(episode.ends_at).isoformat(),
        "parameters": dict(episode.parameters),
    }
