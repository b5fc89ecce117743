"""The one hierarchy of errors that a caller may see.

A rule deep down raises one of these; nothing on the way up changes it. The error-mapping interceptor turns it into a google.rpc.Status
(AIP-193) and the gateway that into a problem document (RFC 9457). Every variable in a message is also in the metadata.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum


class Code(IntEnum):
    """The codes of google.rpc.Code that this system uses."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One bad field of a request: its path as the caller wrote it, and what is wrong with it."""

    field: str
    message: str


class ChargingError(Exception):
    """Base of every error that reaches a caller.

    `reason` is UPPER_SNAKE and unique to the kind of error; `metadata` holds every variable of the message as text;
    `retry_after_seconds` says when trying again may help, None when it will not.
    """

    code: Code = Code.INTERNAL
    reason: str = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or type(self).reason
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after_seconds = retry_after_seconds


class InvalidArgument(ChargingError):
    """The request itself is wrong, whatever the state of the system."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_ARGUMENT"

    @classmethod
    def of_field(cls, field: str, message: str) -> "InvalidArgument":
        """Return the error for one bad field."""
        return cls(f"{field}: {message}", metadata={"field": field}, violations=(FieldViolation(field, message),))


class Unauthenticated(ChargingError):
    """No token, or one that is wrong, expired or revoked; one answer for all, so that nothing can be guessed."""

    code = Code.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


class PermissionDenied(ChargingError):
    """The caller is known and may not do this."""

    code = Code.PERMISSION_DENIED
    reason = "PERMISSION_DENIED"


class NotFound(ChargingError):
    """There is no such object, or none that the caller may know of: both answer alike."""

    code = Code.NOT_FOUND
    reason = "NOT_FOUND"

    @classmethod
    def of(cls, kind: str, identifier: object, field: str = "id") -> "NotFound":
        """Return the error for a missing `kind`, named by the request field `field`."""
        message = f"there is no {kind} {identifier}"
        return cls(
            message,
            reason=f"{kind.upper().replace(' ', '_')}_NOT_FOUND",
            metadata={"id": str(identifier), "field": field},
            violations=(FieldViolation(field, message),),
        )


class AlreadyExists(ChargingError):
    """An object with this unique value exists."""

    code = Code.ALREADY_EXISTS
    reason = "ALREADY_EXISTS"


class FailedPrecondition(ChargingError):
    """The system is not in the state that this call needs."""

    code = Code.FAILED_PRECONDITION
    reason = "FAILED_PRECONDITION"


class Conflict(ChargingError):
    """Something else is happening, or has happened, to the same object."""

    code = Code.ABORTED
    reason = "CONFLICT"


class ResourceExhausted(ChargingError):
    """A limit or a queue is full; nothing was done."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "RESOURCE_EXHAUSTED"


class Overloaded(ChargingError):
    """This process has as much work as it can hold; nothing was done and another try soon may pass."""

    code = Code.UNAVAILABLE
    reason = "OVERLOADED"


class Unavailable(ChargingError):
    """A part that this call needs is out of reach; what happened may be unknown, and repeating with the same key is safe."""

    code = Code.UNAVAILABLE
    reason = "UNAVAILABLE"


class DeadlineExceeded(ChargingError):
    """Too little time was left to do the work."""

    code = Code.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"


class IdempotencyKeyReused(FailedPrecondition):
    """The key was used before with another payload."""

    reason = "IDEMPOTENCY_KEY_REUSED"


class IdempotencyKeyRunning(Conflict):
    """A call with the same key is still running."""

    reason = "IDEMPOTENCY_KEY_RUNNING"
