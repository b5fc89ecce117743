"""A partner's endpoint: takes messages over HTTP, answers as told, and keeps what it took."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Delivered:
    """One message as it arrived."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        """Return the event."""
        return json.loads(self.body)["data"]

    def verify(self, secret: str) -> None:
        """Check the signature by the reference library; raises where it is wrong."""
        Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """Answers 200, or the next of `answers`: a status, or the bytes of a whole answer."""

    url: str = ""
    answers: deque[int | bytes] = field(default_factory=deque)
    messages: list[Delivered] = field(default_factory=list)

    @property
    def numbers(self) -> list[int]:
        """Return the events' numbers in the order in which they came."""
        return [message.event["seq"] for message in self.messages]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
                self.messages.append(Delivered(headers, await reader.readexactly(int(headers["content-length"]))))
                answer = self.answers.popleft() if self.answers else 200
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                    break
                writer.write(f"HTTP/1.1 {answer} X\r\nlocation: {self.url}elsewhere\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        writer.close()


@asynccontextmanager
async def open_receiver() -> AsyncIterator[Receiver]:
    """Give a receiver that listens on loopback."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield receiver
    finally:
        server.close()
