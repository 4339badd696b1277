"""Exporter and responder, as tests start them."""

import sys
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from testbed.servers.preloaded import Preloaded
from testbed.servers.process import Process, guarded

ROOT = Path(__file__).parents[1]


def program(module: str, flags: Sequence[str], log: Path, environment: Mapping[str, str]) -> Process:
    """`python -m module flags`, forked from a process that has its modules.

    Variables that Python or the loader read at their start need a start of its own.
    """
    command = [sys.executable, "-m", module, *flags]
    if any(name.startswith(("PYTHON", "LD_")) for name in environment):
        return Process(module, guarded(command), log, {"PYTHONPATH": str(ROOT), **environment})
    return Process(module, command, log, environment, start=partial(_imported().start, module, flags))


@cache
def _imported() -> Preloaded:
    return Preloaded("exporter.__main__", "responder.__main__")
