"""The call being served: what the interceptors learned about it, for the handler and for each other."""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from shared.policy import MethodPolicy
from shared.principal import Principal

RESERVED_PREFIX = "charging-"
"""Metadata that only a door of this system may set. Doors strip it from what callers send; it is believed only inside an envelope."""

CLIENT_ADDRESS_KEY = "charging-client-address"
CALL_ID_KEY = "charging-call-id"


@dataclass(slots=True)
class Call:
    """One call of one RPC.

    `metadata` has lower-case keys and text values (the last one wins where a key is repeated). `call_id` is a UUIDv7 made once at the
    first door: it is the id of a charge that the call accepts, and the owner of its idempotency claim, so a retry by the same door is
    the same call. `deadline` is on the monotonic clock, in seconds. `enveloped` is true for an inner call of an envelope, whose reserved
    metadata is believed. `trailers` travel back with the answer, whatever the outcome.
    """

    method: str
    policy: MethodPolicy
    metadata: Mapping[str, str]
    request_id: str
    call_id: str
    client_address: str
    deadline: float
    enveloped: bool = False
    principal: Principal | None = None
    idempotency_key: str = ""
    replay: bool = False
    trailers: dict[str, str] = field(default_factory=dict)

    def remaining_seconds(self) -> float:
        """Return the time left, in seconds; negative when it is over."""
        return self.deadline - time.monotonic()

    def mark_replayed(self) -> None:
        """Tell the caller that the answer is that of an earlier call with the same key."""
        self.trailers["idempotent-replayed"] = "true"

    @property
    def caller(self) -> Principal:
        """Return the verified caller. Only for methods that need a token."""
        if self.principal is None:
            raise RuntimeError(f"{self.method} was served without authentication")
        return self.principal


CURRENT_CALL: ContextVar[Call] = ContextVar("current_call")


def current_call() -> Call:
    """Return the call that this task serves."""
    return CURRENT_CALL.get()
