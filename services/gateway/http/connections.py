"""What the connections of one server have in common."""

import asyncio
from email.utils import formatdate
from typing import Protocol


class Connection(Protocol):
    """One open connection, as its server sees it."""

    def end_after_response(self) -> None:
        """Tell the client of a request under way that it is the last one."""
        ...

    def end_when_idle(self) -> None:
        """Close now unless a request is under way; then it is the last one."""
        ...

    def abort(self) -> None:
        """Cut the connection."""
        ...


class Connections:
    """The open connections of one server, and their limits. Make it inside the event loop."""

    def __init__(self, *, receive_timeout_seconds: float, keep_alive_seconds: float, connections_max: int) -> None:
        self.receive_timeout_seconds = receive_timeout_seconds
        self.keep_alive_seconds = keep_alive_seconds
        self.draining = False
        self.emptied = asyncio.Event()
        """Set while draining as soon as no connection is left."""
        self.date_line = b""
        self.set_date()
        self._connections_max = connections_max
        self._open: set[Connection] = set()

    @property
    def crowded(self) -> bool:
        """Tell whether there are more connections than may be."""
        return len(self._open) > self._connections_max

    def all(self) -> list[Connection]:
        """Return the open connections."""
        return list(self._open)

    def opened(self, connection: Connection) -> None:
        """Count a connection."""
        self._open.add(connection)

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._open.discard(connection)
        if self.draining and not self._open:
            self.emptied.set()

    def set_date(self) -> None:
        """Bring the Date header up to the second."""
        self.date_line = b"date: " + formatdate(usegmt=True).encode() + b"\r\n"
