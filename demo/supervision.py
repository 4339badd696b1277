"""The demo's programs under supervisor, which restarts what crashes and can be asked to stop a part."""

import shlex
import signal
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import Faults, SupervisorTransport

from testbed.servers.process import Process, ProgramError, guarded, log_tail
from testbed.servers.server import Server

#: States of supervisor in which a program that should start has failed.
FAILED = {"BACKOFF", "EXITED", "FATAL", "STOPPED", "UNKNOWN"}

ROOT = Path(__file__).parents[1]

DAEMON = """\
[supervisord]
nodaemon=true
silent=true
logfile={directory}/supervisord.log
pidfile={directory}/supervisord.pid
childlogdir={directory}
{user}

[unix_http_server]
file={directory}/supervisor.sock

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{directory}/supervisor.sock
"""

PROGRAM = """
[program:{name}]
command={command}
environment={environment}
directory={root}
autostart=false
autorestart=true
stopsignal={signal}
stdout_logfile={log}
stdout_logfile_backups=1
stdout_logfile_maxbytes=10MB
redirect_stderr=true
"""


class Supervisor:
    """A supervisord in the foreground of this process's session, with its control socket.

    Args:
        directory: Where its configuration, socket and log are.
        servers: The programs; none starts by itself.
        as_root: Whether this process is root's, which supervisord wants to be told.
    """

    def __init__(self, directory: Path, servers: Sequence[Server], *, as_root: bool) -> None:
        self.config = directory / "supervisord.conf"
        self.log = directory / "supervisord.log"
        self.config.write_text(configuration(directory, servers, as_root=as_root))
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.config)]
        # SIGTERM lets it end its programs when this process is killed.
        self.process = Process(
            "supervisord", guarded(command, death_signal=signal.SIGTERM), directory / "supervisord.out"
        )
        self._socket = directory / "supervisor.sock"

    def start(self) -> None:
        """Start supervisord alone.

        Raises:
            ProgramError: It ended or does not answer.
        """
        self.process.start()
        self.process.wait_until(self._answers)

    def launch(self, servers: Iterable[Server], timeout_seconds: float = 120) -> None:
        """Start programs together and wait until each is ready.

        Raises:
            ProgramError: One ended or is not ready in time; the message has the end of its log.
        """
        waiting = list(servers)
        for server in waiting:
            server.prepare()
            try:
                self._call("startProcess", server.name, False)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode != Faults.SPAWN_ERROR:
                    raise
                # It was quicker than supervisor's answer.
                raise ProgramError(f"{server.name} ended at its start:\n{log_tail(server.log)}") from None
        deadline = time.monotonic() + timeout_seconds
        while waiting:
            server = waiting[0]
            state = self.state(server.name)
            if state in FAILED:
                raise ProgramError(f"{server.name} ended at its start:\n{log_tail(server.log)}")
            if server.ready():
                waiting.pop(0)
            elif time.monotonic() > deadline:
                raise ProgramError(f"{server.name} is not ready in time:\n{log_tail(server.log)}")
            else:
                time.sleep(0.05)

    def state(self, name: str) -> str:
        """Supervisor's word for the state of a program."""
        return str(self._call("getProcessInfo", name)["statename"])

    def stop(self) -> None:
        """End all programs and supervisord itself."""
        self.process.stop(timeout_seconds=30)

    def _answers(self) -> bool:
        try:
            return bool(self._call("getState"))
        except (OSError, xmlrpc.client.Error):
            return False

    def _call(self, method: str, *arguments: str | bool) -> Any:
        # Anew each time: after its first failure this transport is of no use any more. It goes to the socket,
        # whatever the address.
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)


def configuration(directory: Path, servers: Sequence[Server], *, as_root: bool) -> str:
    """The text of supervisord.conf."""
    daemon = DAEMON.format(directory=_escape(directory), user="user=root" if as_root else "")
    return daemon + "".join(
        PROGRAM.format(
            name=server.name,
            command=_escape(shlex.join(server.guarded_command())),
            environment=",".join(f'{name}="{_escape(value)}"' for name, value in server.environment().items()),
            root=_escape(ROOT),
            signal=server.stop_signal.name.removeprefix("SIG"),
            log=_escape(server.log),
        )
        for server in servers
    )


def _escape(value: object) -> str:
    return str(value).replace("%", "%%")
