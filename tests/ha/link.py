"""The network between two Alertmanagers, which can be cut: TCP and UDP on a port of its own, passed on to another."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Any, Self, cast

from testbed.servers.ports import free_port

Address = tuple[str, int]


class Link:
    """Passes on everything until it is cut: then packets are lost, and connections end.

    Args:
        target: TCP and UDP port on 127.0.0.1.
    """

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.is_cut = False
        self.target: Address = ("127.0.0.1", target)
        self._streams: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)

    def cut(self) -> None:
        """From now on nothing gets through."""
        self.is_cut = True
        self._loop.call_soon_threadsafe(self._end_connections)

    def mend(self) -> None:
        """Undo `cut`."""
        self.is_cut = False

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _listen(self) -> None:
        await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        await self._loop.create_datagram_endpoint(lambda: _Packets(self), local_addr=("127.0.0.1", self.port))

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.close()
            return
        try:
            onwards, back = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            return
        self._streams |= {writer, back}
        await asyncio.gather(_copy(reader, back), _copy(onwards, writer))
        self._streams -= {writer, back}

    def _end_connections(self) -> None:
        for stream in self._streams:
            stream.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.close()


class _Packets(asyncio.DatagramProtocol):
    """Packets of all senders; what comes back for a sender comes to a socket of its own."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._onwards: dict[Address, asyncio.DatagramTransport] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._back = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, sender: tuple[str | Any, int]) -> None:
        if not self._link.is_cut:
            asyncio.get_running_loop().create_task(self._pass_on(data, sender))

    async def _pass_on(self, data: bytes, sender: Address) -> None:
        if sender not in self._onwards:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Answers(self._link, self._back, sender), remote_addr=self._link.target
            )
            self._onwards[sender] = transport
        self._onwards[sender].sendto(data)


class _Answers(asyncio.DatagramProtocol):
    def __init__(self, link: Link, back: asyncio.DatagramTransport, sender: Address) -> None:
        self._link, self._back, self._sender = link, back, sender

    def datagram_received(self, data: bytes, _sender: tuple[str | Any, int]) -> None:
        if not self._link.is_cut:
            self._back.sendto(data, self._sender)

    def error_received(self, _error: Exception) -> None:
        """Nobody listens there at the moment."""
