"""What the contract says of a method, read from the descriptors that came with its stub."""

from dataclasses import dataclass
from functools import cache

from google.protobuf import descriptor_pb2, descriptor_pool

from charging.options.v1 import options_pb2


@dataclass(frozen=True, slots=True)
class MethodFacts:
    """What a channel must know of a method before it may call it.

    `repeatable`: sending the call twice has the effect of sending it once (`idempotency_level`). `takes_token`: false for a login.
    `takes_key`: the method honours an idempotency key. `waitable`: the request may ask, by `wait_seconds`, to be answered later.
    """

    repeatable: bool
    takes_token: bool
    takes_key: bool
    waitable: bool


UNKNOWN = MethodFacts(repeatable=False, takes_token=True, takes_key=False, waitable=False)
"""A method that is not of this contract, such as a health check: nothing is known to be safe."""


@cache
def facts_of(method: str) -> MethodFacts:
    """Return the facts of the method with this full name, `/package.Service/Method`."""
    try:
        options = descriptor_pool.Default().FindMethodByName(method[1:].replace("/", ".")).GetOptions()
    except KeyError:
        return UNKNOWN
    policy = options.Extensions[options_pb2.policy]
    return MethodFacts(
        repeatable=options.idempotency_level != descriptor_pb2.MethodOptions.IDEMPOTENCY_UNKNOWN,
        takes_token=not policy.open,
        takes_key=policy.idempotency_scope != options_pb2.IDEMPOTENCY_SCOPE_UNSPECIFIED,
        waitable=policy.waitable,
    )
