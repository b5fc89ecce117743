"""Read what the details of a failed call say (google.rpc.Status, AIP-193)."""

from typing import NamedTuple, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

DetailT = TypeVar("DetailT", bound=Message)

_KEY_ATTRIBUTE = "charging_idempotency_key"


class FieldViolation(NamedTuple):
    """One bad field of a request: its path, and what is wrong with it."""

    field: str
    message: str


def reason_of(error: grpc.RpcError) -> str | None:
    """Return the UPPER_SNAKE reason of a failure, for example `IDEMPOTENCY_KEY_REUSED`; None when it did not come from the service.

    Decide by this and by `error.code()`, never by the text.
    """
    info = _detail(error, error_details_pb2.ErrorInfo)
    return info.reason if info is not None else None


def field_violations(error: grpc.RpcError) -> tuple[FieldViolation, ...]:
    """Return the bad fields of the request, none when the failure has another cause."""
    bad_request = _detail(error, error_details_pb2.BadRequest)
    if bad_request is None:
        return ()
    return tuple(FieldViolation(violation.field, violation.description) for violation in bad_request.field_violations)


def retry_after(error: grpc.RpcError) -> float | None:
    """Return the seconds after which trying again may help, None when the service names no time."""
    retry_info = _detail(error, error_details_pb2.RetryInfo)
    return max(0.0, retry_info.retry_delay.ToTimedelta().total_seconds()) if retry_info is not None else None


def idempotency_key_of(error: grpc.RpcError) -> str | None:
    """Return the idempotency key that the failed call carried, None for a call without one.

    The outcome of a call that ended in UNAVAILABLE or DEADLINE_EXCEEDED is unknown: repeat it with this key, never with another one.
    """
    return cast("str | None", vars(error).get(_KEY_ATTRIBUTE))


def remember_key(error: grpc.RpcError, key: str | None) -> None:
    """Put the idempotency key of the call on its error, and into its traceback, where an operator looks for it."""
    if key is not None:
        vars(error)[_KEY_ATTRIBUTE] = key
        error.add_note(f"idempotency-key: {key}")


def _detail(error: grpc.RpcError, kind: type[DetailT]) -> DetailT | None:
    """Return the first detail of a kind."""
    detail = kind()
    for packed in _status_of(error).details:
        try:
            if packed.Unpack(detail):
                return detail
        except DecodeError:
            continue
    return None


def _status_of(error: grpc.RpcError) -> status_pb2.Status:
    """Return the status in the error's trailers; an empty one when there is none or it cannot be trusted."""
    try:
        # Every RpcError of a finished call is also a grpc.Call, or has its code, details and trailers; the type stubs do not say so.
        return rpc_status.from_call(cast("grpc.Call", error)) or status_pb2.Status()
    except (ValueError, DecodeError):
        # Not what the service sent, so not what it said: a proxy changed the code or the text, or cut the bytes.
        return status_pb2.Status()
