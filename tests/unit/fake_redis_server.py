"""A stand-in for a Redis that misbehaves."""

import asyncio
from enum import Enum
from types import TracebackType
from typing import Self

GOOD_ANSWER = b"0 2 0 0 0"


class Behaviour(Enum):
    """How the server misbehaves."""

    DOWN = "refuses connections"
    FROZEN = "never answers"
    CLOSING = "closes every connection"
    FULL = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
    READ_ONLY = b"-READONLY You can't write against a read only replica.\r\n"
    LOADING = b"-LOADING server is loading the dataset in memory\r\n"
    NO_SCRIPT = b"-NOSCRIPT No matching script.\r\n"
    WRONG_TYPE = b":42\r\n"
    WRONG_TEXT = b"$5\r\nhello\r\n"
    WRONG_COUNT = b"$3\r\n0 1\r\n"
    WRONG_OUTCOME = b"$9\r\n9 9 9 9 9\r\n"
    GARBAGE = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    LATE_THEN_PROMPT = "answers the first command only when told, all others at once"


class FakeRedisServer:
    """Serve one behaviour on a port of the loopback address."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.connections = 0
        self._late = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}/0"
        if self.behaviour is Behaviour.DOWN:
            self._server.close()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def let_late_answer_go(self) -> None:
        """Send the answer that was held back."""
        self._late.set()

    def drop_connections(self) -> None:
        """Close the connections that are open."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        self._tasks.add(asyncio.ensure_future(self._serve(reader, writer, self.connections)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        try:
            while self.behaviour is not Behaviour.CLOSING and await reader.read(1 << 20):
                if isinstance(self.behaviour.value, bytes):
                    writer.write(self.behaviour.value)
                elif self.behaviour is Behaviour.LATE_THEN_PROMPT:
                    answer = GOOD_ANSWER
                    if number == 1:
                        await self._late.wait()
                        answer = b"4 0 0 0 0"
                    writer.write(b"$%d\r\n%s\r\n" % (len(answer), answer))
        except ConnectionError:
            pass
        finally:
            writer.close()
