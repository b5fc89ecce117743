"""One call as the caller sees it, however many times it is sent."""

import random
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import grpc

from charging.client.errors import reason_of, remember_key, retry_after
from charging.client.method_facts import facts_of

AUTHORIZATION = "authorization"
IDEMPOTENCY_KEY = "idempotency-key"

FIRST_PAUSE_SECONDS = 0.1
"""About the time that a replaced process or a connection needs to come back."""

PAUSE_SECONDS_MAX = 2.0
"""Short enough to see a service return, long enough that waiting clients do not keep it down. A default deadline fits some ten tries."""

TRY_SECONDS_MIN = 0.02
"""With less time left a service refuses the call, or answers too late: the error at hand says more than a missed deadline."""

Metadatum = tuple[str, str | bytes]


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance, which tests replace: seconds that only rise, and a random number between two others."""

    monotonic: Callable[[], float] = time.monotonic
    uniform: Callable[[float, float], float] = random.uniform


class LogicalCall:
    """What all tries of one call share: a deadline, and for a method that takes one an idempotency key.

    The key is made once, here: a try whose answer was lost may have taken effect, and only a repetition with the same key is known for one.
    """

    def __init__(
        self,
        method: str,
        request: object,
        *,
        timeout_seconds: float | None,
        metadata: Iterable[Metadatum],
        default_timeout_seconds: float,
        clock: Clock,
    ) -> None:
        self._facts = facts_of(method)
        self._clock = clock
        self._metadata = tuple(metadata)
        self._tries = 0
        if timeout_seconds is None:
            asked_wait_seconds = getattr(request, "wait_seconds", 0) if self._facts.waitable else 0
            timeout_seconds = default_timeout_seconds + asked_wait_seconds
        self._deadline = clock.monotonic() + timeout_seconds
        if self._facts.takes_key and self._metadatum(IDEMPOTENCY_KEY) is None:
            self._metadata += ((IDEMPOTENCY_KEY, str(uuid.uuid4())),)

    @property
    def wants_token(self) -> bool:
        """Whether a try must carry the channel's token: not for a login, nor for a call that brought an authorization of its own."""
        return self._facts.takes_token and self._metadatum(AUTHORIZATION) is None

    def metadata_of_try(self, token: str | None) -> tuple[Metadatum, ...]:
        """Return the metadata of the next try; `token` None sends no authorization."""
        return self._metadata if token is None else (*self._metadata, authorization(token))

    def remaining_seconds(self) -> float:
        """Return the time left for the call, over all its tries; never negative."""
        return max(0.0, self._deadline - self._clock.monotonic())

    def pause_after(self, error: grpc.RpcError) -> float | None:
        """Return the seconds to wait before the next try, or None when the failure is the answer.

        Waits at least as long as the service asks (RetryInfo), then exponentially longer each time, half of it by chance so that the
        callers that failed together do not return together.
        """
        if not self._facts.repeatable or not _may_pass_later(error):
            return None
        backoff = min(PAUSE_SECONDS_MAX, FIRST_PAUSE_SECONDS * 2**self._tries)
        self._tries += 1
        pause = (retry_after(error) or 0.0) + self._clock.uniform(backoff / 2, backoff)
        return pause if pause + TRY_SECONDS_MIN <= self.remaining_seconds() else None

    def label(self, error: grpc.RpcError) -> None:
        """Put the call's idempotency key on the error that the caller will see."""
        key = self._metadatum(IDEMPOTENCY_KEY) if self._facts.takes_key else None
        remember_key(error, key if isinstance(key, str) else None)

    def _metadatum(self, name: str) -> str | bytes | None:
        return next((value for key, value in self._metadata if key == name), None)


def authorization(token: str) -> Metadatum:
    """Return the metadata that carries a token."""
    return (AUTHORIZATION, f"Token {token}")


def _may_pass_later(error: grpc.RpcError) -> bool:
    """Return whether the same call, sent again, may be answered otherwise."""
    match error.code():
        # A service with too many calls at its door cancels some before it has looked at them.
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
            return True
        case grpc.StatusCode.ABORTED:
            return reason_of(error) == "IDEMPOTENCY_KEY_RUNNING"
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return retry_after(error) is not None
        case _:
            return False
