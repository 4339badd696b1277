"""A platform that shows exactly the figures of the dashboard's specification."""

from simulator.preset.source import FixedFigures
from simulator.preset.world import FixedWorld

__all__ = ["FixedFigures", "FixedWorld"]
