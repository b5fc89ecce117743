"""What the connections of one server have in common."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from email.utils import formatdate
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Protocol

from services.gateway.http.refusals import Pace
from shared.admission.asks import address_group


class Connection(Protocol):
    """One open connection, as its server sees it."""

    @property
    def peer(self) -> str:
        """Return the address at its other end, empty where it has none."""
        ...

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

    def __init__(
        self,
        *,
        receive_timeout_seconds: float,
        keep_alive_seconds: float,
        connections_max: int,
        per_address_max: int,
        trusted_proxies: Sequence[IPv4Network | IPv6Network] = (),
    ) -> None:
        self.receive_timeout_seconds = receive_timeout_seconds
        self.keep_alive_seconds = keep_alive_seconds
        self.draining = False
        self.emptied = asyncio.Event()
        """Set while draining as soon as no connection is left."""
        self.answered: Counter[int] = Counter()
        """Answers so far, by status."""
        self.refusals = Pace()
        self.date_line = b""
        self.set_date()
        self._connections_max = connections_max
        self._per_address_max = per_address_max
        self._trusted_proxies = tuple(trusted_proxies)
        self._by_address: Counter[str] = Counter()
        self._open: set[Connection] = set()

    def too_many(self, peer: str) -> bool:
        """Tell whether there are more connections than may be, in all or from this address."""
        if len(self._open) > self._connections_max:
            return True
        return self._by_address[address_group(peer)] > self._per_address_max and not self._trusts(peer)

    def all(self) -> list[Connection]:
        """Return the open connections."""
        return list(self._open)

    def opened(self, connection: Connection) -> None:
        """Count a connection."""
        self._open.add(connection)
        self._by_address[address_group(connection.peer)] += 1

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        if connection in self._open:
            self._open.remove(connection)
            address = address_group(connection.peer)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
        if self.draining and not self._open:
            self.emptied.set()

    def _trusts(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address.version == network.version and address in network for network in self._trusted_proxies)

    def set_date(self) -> None:
        """Bring the Date header up to the second."""
        self.date_line = b"date: " + formatdate(usegmt=True).encode() + b"\r\n"
