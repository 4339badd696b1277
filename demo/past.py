"""The world that the demo's simulator shows, for a process beside it."""

from datetime import datetime

from simulator.instants import micros
from simulator.preset import FixedFigures, FixedWorld
from simulator.source import OrdinaryDays
from simulator.world import World

#: Of all random numbers, in the simulator and here.
SEED = 1


def world(preset: str | None, started: datetime) -> World:
    """The same as a simulator has that was started at this time (aware) with this preset and `SEED`."""
    if preset is None:
        return World(OrdinaryDays(SEED))
    return FixedWorld(FixedFigures(SEED, micros(started)))
