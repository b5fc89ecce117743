"""What the admission of a call asks, and the answer."""

from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from shared.admission.limits import Quota


class Outcome(IntEnum):
    """What is to become of a call; the numbers are also in `admit.lua`."""

    GO = 0
    """The call runs: it spent what it costs, and holds its claim if it has one."""

    RESUME = 1
    """The same call again (its door sends it twice after a lost connection): it runs, and spends nothing a second time."""

    REPLAY = 2
    """Another call with the same key is done; this one spent the replay limit and is to be answered with what that one did."""

    RUNNING = 3
    """Another call with the same key is still running; this one spent the replay limit."""

    OVER_LIMIT = 4
    """The limit is spent; nothing was claimed."""

    OVER_REPLAY_LIMIT = 5
    """The key is known, and the limit for asking again is spent."""


class Ask(NamedTuple):
    """One call at the gate.

    `limit` is spent under `limit_key`, by `cost`; None spends nothing. `claim_key` is claimed for `owner` (the call id) for `claim_ms`;
    empty claims nothing. `replay_key` is where repeated calls spend the replay limit.
    """

    limit: Quota | None
    limit_key: bytes
    cost: int
    claim_key: bytes
    owner: str
    claim_ms: int
    replay_key: bytes


class Conclusion(NamedTuple):
    """The end of a call that held a claim: the key counts as done for `done_ms`, or is free again when that is 0."""

    claim_key: bytes
    owner: str
    done_ms: int


class Verdict(NamedTuple):
    """The answer to an ask.

    `remaining`, `retry_us` and `reset_us` are of the limit that the call spent or ran into: the replay limit for REPLAY, RUNNING and
    OVER_REPLAY_LIMIT, else its own (see `limits.Spending`). `claimed` is true when the call holds its
    claim, or may hold it: it owes a conclusion.
    """

    outcome: Outcome
    remaining: int = 0
    retry_us: int = 0
    reset_us: int = 0
    claimed: bool = False


def key_of(kind: str, *parts: str) -> bytes:
    """Return the Redis key for some parts: never the raw text, always short, and different whenever any part is.

    Each part goes in with its length, so that no two lists of parts run together to the same text.
    """
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return f"charging:{kind}:{blake2b(text.encode(), digest_size=16).hexdigest()}".encode()


@lru_cache(maxsize=8192)
def address_group(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 network of an IPv6 one, since a single customer holds a whole /64.

    An IPv4 address written as IPv6 is the same client as the plain one; what is no address at all stands for itself.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed)
