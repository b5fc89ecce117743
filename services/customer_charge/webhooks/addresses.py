"""Which addresses webhooks may be sent to: public ones, and the very address that was looked at.

A vendor chooses the URL, and our network trusts us more than it trusts a vendor. So the name is resolved here, every address is looked at,
and the connection goes to one that was found good: a name that resolves to something else a moment later (DNS rebinding) gains nothing.
"""

import asyncio
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
"""NAT64: an IPv6 address that stands for an IPv4 one, which may be a private one."""

RESOLVE_SECONDS = 5.0


class BadTargetError(Exception):
    """Nothing is sent to this URL; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be posted to: `pinned_url` has an address in place of the name, `host` is the name, `authority` the Host header."""

    pinned_url: str
    host: str
    authority: str
    secure: bool


def checked_url(url: str, *, development: bool) -> SplitResult:
    """Return the parts of a URL that may be an endpoint's. Raises BadTargetError.

    Outside development it is https and names no address that is not public; what a name resolves to is looked at for each delivery.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise BadTargetError("is not a URL") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise BadTargetError("must be an https URL with a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadTargetError("must hold neither a user name nor a fragment")
    if development:
        return parts
    if parts.scheme != "https":
        raise BadTargetError("must be https")
    if (literal := _literal(parts.hostname)) is not None and not public(literal):
        raise BadTargetError("must not be on a private address")
    if parts.hostname == "localhost" or parts.hostname.endswith(".localhost"):
        raise BadTargetError("must not be on a private address")
    return parts


async def resolve(url: str, *, development: bool) -> Target:
    """Return the target of a URL, pinned to an address of its host. Raises BadTargetError when there is none, or any of them is private."""
    parts = checked_url(url, development=development)
    host = str(parts.hostname)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        raise BadTargetError("its host cannot be resolved") from None
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not addresses:
        raise BadTargetError("its host cannot be resolved")
    if not development and not all(public(address) for address in addresses):
        raise BadTargetError("its host resolves to a private address")
    address = addresses[0]
    literal = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    shown = f"[{host}]" if ":" in host else host
    authority = shown if parts.port is None else f"{shown}:{parts.port}"
    return Target(f"{parts.scheme}://{literal}:{port}{path}", host, authority, parts.scheme == "https")


def public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is on the public internet, also where it wraps another one."""
    if isinstance(address, IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if wrapped is not None or any(address in network for network in TRANSLATED):
            return address.ipv4_mapped is not None and public(address.ipv4_mapped)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
