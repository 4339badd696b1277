"""The version of this package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("ticketing-monitor")
except PackageNotFoundError:  # run from a bare checkout
    VERSION = "unknown"
