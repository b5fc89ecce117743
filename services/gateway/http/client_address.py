"""Which address a request came from."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

UNKNOWN = "unknown"
"""Stands for a peer without an address, such as one on a unix socket; all of them share one limit."""


class ClientAddresses:
    """Finds client addresses: the right-most hop that is not one of the trusted proxies.

    X-Forwarded-For is a list to which every proxy appends the address it saw, so only what trusted proxies appended can be believed; what
    stands further left may be forged by the client.
    """

    def __init__(self, trusted_proxies: Iterable[IPv4Network | IPv6Network]) -> None:
        self._trusted = tuple(trusted_proxies)
        self._resolve = lru_cache(maxsize=4096)(self._walk)

    def resolve(self, peer: str, forwarded_for: str) -> str:
        """Return the client's address, given the peer's and the X-Forwarded-For header (all of them joined, empty for none)."""
        return self._resolve(peer, forwarded_for) if self._trusted else self._resolve(peer, "")

    def _walk(self, peer: str, forwarded_for: str) -> str:
        address = _parse(peer)
        if address is None:
            return UNKNOWN
        for hop in reversed(forwarded_for.split(",")):
            if not self._trusts(address):
                break
            before = _parse(hop.strip())
            if before is None:
                break  # a proxy that appends no address hides its clients: they share the proxy's
            address = before
        return str(address)

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address.version == network.version and address in network for network in self._trusted)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    if text.startswith("["):  # [2001:db8::1]:4711
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # 192.0.2.1:4711
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A dual-stack socket shows IPv4 peers as ::ffff:192.0.2.1: one client, one address.
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
