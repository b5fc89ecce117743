"""A TCP proxy that misbehaves on demand: slow, cut, deaf, or keeping the answers to itself."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Self

from shared.local.ports import LOOPBACK

CHUNK_BYTES = 65_536
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing sends a reset, as a firewall or a dead machine's successor would."""


class Proxy:
    """A proxy in front of `target`, a "host:port", on a free port and in a thread of its own.

    It passes everything on until it is told otherwise; what it is told holds from then on, for open and for new connections. Example:

        with Proxy("127.0.0.1:50052") as proxy:
            use(proxy.address)
            proxy.hold_answers()   # requests still reach the target
            proxy.cut()            # whoever waited for an answer has lost it
            proxy.heal()
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._connections: set[asyncio.Task[None]] = set()
        self._delay_seconds = 0.0
        self._refusing = False
        self._requests_pass = asyncio.Event()
        self._answers_pass = asyncio.Event()
        self._server: asyncio.Server | None = None
        self.address = ""

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_exception: object) -> None:
        """Cut every connection and stop."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def heal(self) -> None:
        """Pass everything on at once, also what was held."""
        self._tell(self._heal)

    def delay(self, seconds: float) -> None:
        """Let every piece of data wait this long, in each direction."""
        self._tell(lambda: setattr(self, "_delay_seconds", seconds))

    def hold_answers(self) -> None:
        """Pass requests on, and keep back what the target answers."""
        self._tell(self._answers_pass.clear)

    def hold_everything(self) -> None:
        """Be half open: accept connections and data, pass nothing on and say nothing."""
        self._tell(self._requests_pass.clear, self._answers_pass.clear)

    def refuse(self) -> None:
        """Reset every connection, and each new one as soon as it comes."""
        self._tell(lambda: setattr(self, "_refusing", True), self._cut)

    def cut(self) -> None:
        """Reset every connection there is; what was held is lost. New ones are served."""
        self._tell(self._cut)

    def _tell(self, *orders: Callable[[], object]) -> None:
        async def obey() -> None:
            for order in orders:
                order()

        asyncio.run_coroutine_threadsafe(obey(), self._loop).result(10)

    def _heal(self) -> None:
        self._delay_seconds = 0.0
        self._refusing = False
        self._requests_pass.set()
        self._answers_pass.set()

    def _cut(self) -> None:
        for connection in self._connections:
            connection.cancel()

    async def _listen(self) -> None:
        self._heal()
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        self.address = "{}:{}".format(*self._server.sockets[0].getsockname())

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._cut()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writers = [writer]
        # A cancelled connection has been cut: that is an end like any other here.
        with contextlib.suppress(asyncio.CancelledError, OSError):
            if not self._refusing:
                target_reader, target_writer = await asyncio.open_connection(*self._target)
                writers.append(target_writer)
                await asyncio.gather(
                    self._pump(reader, target_writer, self._requests_pass), self._pump(target_reader, writer, self._answers_pass)
                )
        for each in writers:
            _reset(each)
        self._connections.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
        """Pass data on until its sender ends; then the whole connection ends, for which both directions are gathered."""
        while data := await reader.read(CHUNK_BYTES):
            if self._delay_seconds:
                await asyncio.sleep(self._delay_seconds)
            await gate.wait()
            writer.write(data)
            await writer.drain()
        await gate.wait()
        raise ConnectionResetError("one side has ended")


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
