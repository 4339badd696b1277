"""Free TCP ports on the loopback."""

import os
import random
import socket

# Below the range from which the kernel takes the local ports of outgoing connections (32768 and up on
# Linux), so that no such connection takes a port between its choice here and the start of the server.
FIRST_PORT = 15000
LAST_PORT = 32000

# Test processes side by side take turns in the range: one would else take a port that another is about to listen on.
_WORKERS = 4
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS

_random = random.SystemRandom()
_given: set[int] = set()


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on and that this process has not been given before.

    Raises:
        RuntimeError: None was found in a thousand tries.
    """
    for _ in range(1000):
        port = _random.randrange(FIRST_PORT + _worker, LAST_PORT, _WORKERS)
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise RuntimeError(f"no free TCP port between {FIRST_PORT} and {LAST_PORT}")


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of 127.0.0.1 now."""
    with socket.socket() as listener:
        # As servers do: connections of an earlier server that are still in TIME_WAIT are no obstacle.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(1)
        except OSError:
            return False
    return True
