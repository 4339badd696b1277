"""Python programs that are started without importing their modules anew: a process that has them forks for each start.

Hundreds of tests start a program of ours, and most of what that costs is importing the same libraries again.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from testbed.servers.process import guarded

_PR_SET_PDEATHSIG = 1
_LARGEST_MESSAGE = 1 << 17


class Preloaded:
    """The process that forks. It and all that it has started end with this process.

    Args:
        modules: what it imports.
    """

    def __init__(self, *modules: str) -> None:
        self._connection, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        root = Path(__file__).parents[2]
        command = guarded([sys.executable, "-m", __name__, str(its.fileno()), *modules])
        self._process = subprocess.Popen(command, cwd=root, pass_fds=[its.fileno()], start_new_session=True)
        its.close()
        self._lock = threading.Lock()

    def close(self) -> None:
        """End it, and what it has started."""
        self._connection.close()
        self._process.wait()

    def start(self, module: str, flags: Sequence[str], log: IO[bytes], environment: Mapping[str, str]) -> Child:
        """What `python -m module flags` does, with standard output and error appended to the log."""
        wanted = {"module": module, "flags": list(flags), "environment": dict(environment)}
        return Child(self, int(self.ask(wanted, log.fileno())))

    def ask(self, wanted: Mapping[str, Any], *descriptors: int) -> Any:
        """The answer of the process."""
        with self._lock:
            socket.send_fds(self._connection, [json.dumps(wanted).encode()], list(descriptors))
            return json.loads(self._connection.recv(_LARGEST_MESSAGE))


class Child:
    """One start: what `Process` needs of a `subprocess.Popen`."""

    def __init__(self, preloaded: Preloaded, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._preloaded = preloaded

    def poll(self) -> int | None:
        """The exit status, None while it runs."""
        if self.returncode is None:
            self.returncode = self._preloaded.ask({"pid": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once there is one.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            time.sleep(0.005)
        return status


def _serve(connection: socket.socket) -> None:
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, _LARGEST_MESSAGE, 1)
        if not message:
            return
        wanted = json.loads(message)
        if "module" in wanted:
            answer: int | None = os.fork()
            if answer == 0:
                connection.close()
                _become(wanted, descriptors[0])
                return
            os.close(descriptors[0])
        else:
            pid = wanted["pid"]
            found, status = os.waitpid(pid, os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if found else None
        connection.send(json.dumps(answer).encode())


def _become(wanted: Mapping[str, Any], log: int) -> None:
    """The program, in a child."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, standard)
    os.close(nothing)
    os.close(log)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    sys.argv = [wanted["module"], *wanted["flags"]]
    runpy.run_module(wanted["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for name in sys.argv[2:]:
        importlib.import_module(name)
    _serve(socket.socket(fileno=int(sys.argv[1])))
