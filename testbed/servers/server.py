"""What all the servers share: a directory, a port, and a start that waits until the server answers."""

import shutil
import signal
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from testbed.servers.ports import free_port, is_free
from testbed.servers.process import Process, ProgramError, guarded


class Server(ABC):
    """A server on 127.0.0.1 with a directory of its own.

    Used with `with`, it is started on entering and closed on leaving. The port and the directory stay the
    same over restarts.

    Args:
        directory: Where it keeps everything; made when missing. Without one a directory is made in the
            system's temporary directory, and removed by `close`.
        port: TCP port on 127.0.0.1; by default a free one.
    """

    #: How messages call it, and the log file in its directory.
    name: str
    #: What ends it in order.
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    #: See `guarded`.
    death_signal: ClassVar[signal.Signals] = signal.SIGKILL
    user: str | None = None

    def __init__(self, directory: Path | None = None, port: int | None = None) -> None:
        self._temporary = directory is None
        if directory is None:
            directory = Path(tempfile.mkdtemp(prefix=f"ticketing-{self.name}-"))
            # For a server that runs as another user than this process.
            directory.chmod(0o755)
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = port or free_port()
        self.log = directory / f"{self.name}.log"
        self.process: Process | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Program and arguments that run it in the foreground; needs `prepare` first."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers now."""

    def prepare(self) -> None:  # noqa: B027  (most need nothing)
        """Make what it needs in its directory; does nothing the second time."""

    def environment(self) -> Mapping[str, str]:
        """Environment variables that it needs."""
        return {}

    def guarded_command(self) -> list[str]:
        """`command`, as its user when this is root, and not outliving the process that starts it."""
        return guarded(self.command(), user=self.user, death_signal=self.death_signal)

    @property
    def pid(self) -> int:
        """Process ID of the last start."""
        return self._started().pid

    @property
    def running(self) -> bool:
        """Whether its process is there, suspended or not."""
        return self.process is not None and self.process.running

    def start(self, timeout_seconds: float = 30) -> Self:
        """Start it and wait until it answers.

        Raises:
            ProgramError: Its port is taken, it ended, or it does not answer in time.
        """
        self.prepare()
        if self.running:
            raise RuntimeError(f"{self.name} is running already")
        if not is_free(self.port):
            # Its own complaint would come too late: what has the port may well answer `ready`.
            raise ProgramError(f"{self.name} cannot start: port {self.port} is in use")
        self.process = Process(self.name, self.guarded_command(), self.log, self.environment())
        self.process.start()
        try:
            self.process.wait_until(self.ready, timeout_seconds)
        except BaseException:
            self.process.kill()
            raise
        return self

    def stop(self) -> None:
        """Shut it down in order; does nothing when it is not running."""
        if self.process is not None:
            self.process.stop(self.stop_signal)

    def restart(self) -> None:
        """Stop it and start it again on the same port, with what it had stored."""
        self.stop()
        self.start()

    def kill9(self) -> None:
        """End it with SIGKILL, as a crash would; `start` brings it back on the same port."""
        if self.process is not None:
            self.process.kill()

    def suspend(self) -> None:
        """Freeze it: connections stay open and nothing answers, as with a host that hangs."""
        self._started().suspend()

    def resume(self) -> None:
        """Undo `suspend`."""
        self._started().resume()

    def close(self) -> None:
        """Stop it, and remove its directory if it was made for it."""
        self.stop()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _started(self) -> Process:
        if self.process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self.process
