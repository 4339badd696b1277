"""From the name of a host to a connection: each of its addresses has its chance, and none can use up all the time."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
import time
from collections import Counter
from contextlib import suppress

from common.deadline import Deadline

STAGGER_SECONDS = 0.25
"""After so long without an answer the next address is tried beside the one before (RFC 8305, section 5)."""
MOST_LOOKUPS = 32
"""Names that the resolver may be asked for at once."""


def resolve(host: str, deadline: Deadline) -> list[str]:
    """The numeric addresses of a host in the order to try them in, IPv6 and IPv4 taking turns.

    Raises:
        OSError: it has none, or too many other names are being looked up; the message does not quote the name.
        DeadlineExceededError: the resolver does not answer in time.
    """
    with suppress(OSError, UnicodeError):
        return _ask(host, socket.AI_NUMERICHOST)
    lookup = _lookup(host)
    if not lookup.done.wait(max(0.0, deadline.remaining())):
        raise deadline.exceeded("the resolver")
    if lookup.problem is not None:
        raise OSError(lookup.problem)
    return list(lookup.addresses)


def connect(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A TCP connection to the first address of a host that accepts one; its timeout is what is left of the deadline.

    Raises:
        OSError: every address refuses; the error of the first one that did. It does not quote the name or the port.
        DeadlineExceededError: no address has accepted in time.
    """
    waiting = resolve(host, deadline)
    stagger = min(STAGGER_SECONDS, deadline.remaining() / len(waiting))
    next_at = 0.0
    poller = select.poll()
    under_way: dict[int, socket.socket] = {}
    errors: list[OSError] = []
    try:
        while waiting or under_way:
            left = deadline.check("the connection")
            if waiting and next_at <= time.monotonic():
                try:
                    connection = _begin(waiting.pop(0), port)
                except OSError as error:
                    errors.append(error)
                    continue
                under_way[connection.fileno()] = connection
                poller.register(connection, select.POLLOUT)
                next_at = time.monotonic() + stagger
            if waiting:
                left = min(left, max(0.0, next_at - time.monotonic()))
            for descriptor, _ in poller.poll(left * 1000):
                connection = under_way.pop(descriptor)
                poller.unregister(descriptor)
                code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code == 0:
                    connection.settimeout(max(0.001, deadline.remaining()))
                    return connection
                connection.close()
                errors.append(OSError(code, os.strerror(code)))
                next_at = 0.0
    finally:
        for connection in under_way.values():
            connection.close()
    raise errors[0]


class _Lookup:
    """One question to the resolver, for all who wait for the same name: it has no time limit, so a thread asks it."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.done = threading.Event()
        self.addresses: list[str] = []
        self.problem: str | None = None

    def run(self) -> None:
        try:
            self.addresses = _ask(self.host)
        except (OSError, UnicodeError) as error:
            self.problem = getattr(error, "strerror", None) or "the name of the host is not valid"
        finally:
            with _lock:
                del _lookups[self.host]
            self.done.set()


_lookups: dict[str, _Lookup] = {}
_lock = threading.Lock()


def _lookup(host: str) -> _Lookup:
    with _lock:
        lookup = _lookups.get(host)
        if lookup is None:
            if len(_lookups) >= MOST_LOOKUPS:
                raise OSError(f"the resolver is busy with {MOST_LOOKUPS} other names")
            lookup = _Lookup(host)
            try:
                threading.Thread(target=lookup.run, name="resolve", daemon=True).start()
            except RuntimeError as error:
                raise OSError(str(error)) from None
            _lookups[host] = lookup
        return lookup


def _ask(host: str, flags: int = 0) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    addresses = dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found)
    # The resolver puts the best first, and may put all of one kind, which may lead nowhere, before the other.
    turns: Counter[int] = Counter()
    order = []
    for family, address in addresses:
        order.append((turns[family], address))
        turns[family] += 1
    return [address for _, address in sorted(order, key=lambda turn: turn[0])]


def _begin(address: str, port: int) -> socket.socket:
    """A connection under way.

    Raises:
        OSError: it cannot begin.
    """
    connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = connection.connect_ex((address, port))
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
    except BaseException:
        connection.close()
        raise
    return connection
