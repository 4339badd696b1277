"""One started program: its signals, its log, and the promise that it does not outlive this process."""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Protocol


class ProgramError(RuntimeError):
    """A program ended by itself, or was not ready in time; the message has the end of its log."""


class Child(Protocol):
    """What of `subprocess.Popen` is needed here."""

    pid: int
    returncode: int | Any

    def poll(self) -> int | None:
        """The exit status, None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once there is one; raises `subprocess.TimeoutExpired`."""


class Process:
    """A program in a session of its own, so that a Ctrl-C at the terminal reaches only its parent.

    Args:
        name: How messages call it.
        command: Program and arguments; pass it through `guarded`.
        log: File to which its standard output and error are appended.
        environment: Variables added to those of this process.
        start: What starts it, with the log and all variables, in a session of its own; the command, by default.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        start: Callable[[IO[bytes], Mapping[str, str]], Child] | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self._environment = {**os.environ, **(environment or {})}
        self._start = start or self._run
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """Process ID of the last start.

        Raises:
            RuntimeError: It was never started.
        """
        if self._child is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended; a suspended program is running."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start it; returns at once.

        Raises:
            RuntimeError: It is running already.
        """
        if self.running:
            raise RuntimeError(f"{self.name} is running already")
        with self.log.open("ab") as log:
            self._child = self._start(log, self._environment)

    def wait_until(self, ready: Callable[[], bool], timeout_seconds: float = 30) -> None:
        """Wait until `ready` says so.

        Raises:
            ProgramError: The program ended first, or the time is over.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            # Asked first: what answers on the port may be another program if ours could not have it.
            if not self.running:
                status = None if self._child is None else self._child.returncode
                raise ProgramError(f"{self.name} ended with status {status}:\n{log_tail(self.log)}")
            if ready():
                return
            if time.monotonic() > deadline:
                raise ProgramError(f"{self.name} is not ready after {timeout_seconds:g} s:\n{log_tail(self.log)}")
            time.sleep(0.05)

    def wait(self, timeout_seconds: float | None = None) -> int:
        """Wait until it ends by itself.

        Returns:
            Its exit status, or the negative number of the signal that ended it.

        Raises:
            RuntimeError: It was never started.
            subprocess.TimeoutExpired: It is still running.
        """
        if self._child is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._child.wait(timeout_seconds)

    def stop(self, stop_signal: signal.Signals = signal.SIGTERM, timeout_seconds: float = 10) -> None:
        """Ask it to end and wait; kill what has not ended in time. Does nothing when it is not running."""
        if not self.running:
            return
        os.kill(self.pid, stop_signal)
        self.resume()
        try:
            self.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it and all its children with SIGKILL, as a crash or the OOM killer would."""
        if self.running:
            self._signal_family(signal.SIGKILL, until="ZX")
            self.wait()

    def suspend(self) -> None:
        """Freeze it and its children (SIGSTOP): connections stay open, nothing answers."""
        self._signal_family(signal.SIGSTOP, until="TtZX")

    def resume(self) -> None:
        """Undo `suspend`."""
        self._signal_family(signal.SIGCONT, until="")

    def _run(self, log: IO[bytes], environment: Mapping[str, str]) -> Child:
        return subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )

    def _signal_family(self, number: signal.Signals, until: str) -> None:
        """Signal the program and all its descendants, whatever sessions they made for themselves.

        Args:
            number: The signal.
            until: States (letters of proc(5)) one of which each must reach before this returns.
        """
        if not self.running:
            return
        reached: set[int] = set()
        # Once the parents are stopped or dead no new child appears, so this ends.
        while new := family(self.pid) - reached:
            for pid in sorted(new):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            reached |= new
        while until and any(state(pid) not in until for pid in reached):
            time.sleep(0.005)


def state(pid: int) -> str:
    """The state of a process as a letter of proc(5), "X" when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def log_tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"


def family(pid: int) -> set[int]:
    """The process and its descendants that are there now."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The second field is the name in parentheses and may have anything in it; the fourth, the parent.
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = {pid}
    open_ends = [pid]
    while open_ends:
        for child in children.get(open_ends.pop(), []):
            found.add(child)
            open_ends.append(child)
    return found


def guarded(
    command: Sequence[str], *, user: str | None = None, death_signal: signal.Signals = signal.SIGKILL
) -> list[str]:
    """The command, such that it does not outlive its parent.

    Args:
        command: Program and arguments.
        user: Whom root runs it as, with none of root's rights; by default the caller.
        death_signal: What the kernel sends it when its parent dies, however that happens. The kernel watches
            the thread that started it, which must live as long as the process.
    """
    # setpriv instead of a preexec_fn: Python code between fork and exec may deadlock in a threaded process.
    guard = ["setpriv", "--pdeathsig", death_signal.name.removeprefix("SIG"), "--", *command]
    # The user first: the kernel forgets the death signal when that changes.
    return guard if user is None else as_user(user, guard)


def as_user(user: str, command: Sequence[str]) -> list[str]:
    """The command, such that root runs it as the given user with none of its own rights."""
    account = pwd.getpwnam(user)
    drop = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups"]
    return ["setpriv", *drop, "--", *command]
