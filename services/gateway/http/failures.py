"""Failed calls (google.rpc.Status) to problem documents."""

import math
from collections.abc import Iterable, Mapping
from typing import TypeVar

from google.protobuf.any_pb2 import Any as Any_
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from services.gateway.http.asgi import Header
from services.gateway.http.catalogue import CATALOGUE
from services.gateway.http.json_names import json_path
from services.gateway.http.problems import ProblemError
from shared.errors import Code, FieldViolation
from shared.transport.backend import Answer

MessageT = TypeVar("MessageT", bound=Message)

_UNAUTHENTICATED = 401

_BY_CODE: Mapping[int, tuple[int, str]] = {
    Code.CANCELLED: (503, "UNAVAILABLE"),
    Code.INVALID_ARGUMENT: (400, "INVALID_ARGUMENT"),
    Code.DEADLINE_EXCEEDED: (504, "DEADLINE_EXCEEDED"),
    Code.NOT_FOUND: (404, "NOT_FOUND"),
    Code.ALREADY_EXISTS: (409, "ALREADY_EXISTS"),
    Code.PERMISSION_DENIED: (403, "PERMISSION_DENIED"),
    Code.RESOURCE_EXHAUSTED: (429, "RESOURCE_EXHAUSTED"),
    Code.FAILED_PRECONDITION: (409, "FAILED_PRECONDITION"),
    Code.ABORTED: (409, "CONFLICT"),
    Code.UNIMPLEMENTED: (501, "UNIMPLEMENTED"),
    Code.UNAVAILABLE: (503, "UNAVAILABLE"),
    Code.UNAUTHENTICATED: (401, "UNAUTHENTICATED"),
}
"""Status and reason of each code; a reason of the service's own replaces the latter. All other codes mean that something broke: 500."""

_STATUS_BY_REASON: Mapping[str, int] = {"IDEMPOTENCY_KEY_REUSED": 422, "INSUFFICIENT_CREDIT": 402}
"""Reasons that HTTP has a closer status for than their code has."""


def problem_of(answer: Answer, request: Descriptor) -> ProblemError:
    """Return what the caller is told about a failed call whose request message was of type `request`.

    Only the text of an error that one of our services made (it has an ErrorInfo) is shown: others come from libraries and name hosts, ports
    and code. Field paths are translated into the JSON names of the request.
    """
    status, reason = _BY_CODE.get(answer.code, (500, "INTERNAL"))
    info, bad_request, retry = _details(answer)
    headers: list[Header] = []
    if retry is not None and "retry-after" not in answer.trailers:
        delay = retry.retry_delay
        headers.append((b"retry-after", b"%d" % math.ceil(delay.seconds + delay.nanos / 1e9)))
    if status == _UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Token"))
    if info is None or reason == "INTERNAL":
        return ProblemError(status, reason, CATALOGUE[reason].remedy, headers=headers)
    detail = answer.details
    errors = []
    for violation in bad_request.field_violations if bad_request is not None else ():
        field = json_path(request, violation.field)
        errors.append(FieldViolation(field, violation.description))
        detail = f"{field}{detail.removeprefix(violation.field)}" if detail.startswith(f"{violation.field}:") else detail
    metadata = dict(info.metadata)
    if "field" in metadata:
        metadata["field"] = json_path(request, metadata["field"])
    return ProblemError(_STATUS_BY_REASON.get(info.reason, status), info.reason, detail, errors=errors, metadata=metadata, headers=headers)


def _details(answer: Answer) -> tuple[ErrorInfo | None, BadRequest | None, RetryInfo | None]:
    try:
        details = Status.FromString(answer.status).details
        return _first(details, ErrorInfo), _first(details, BadRequest), _first(details, RetryInfo)
    except DecodeError:
        return None, None, None


def _first(details: Iterable[Any_], kind: type[MessageT]) -> MessageT | None:
    return next((kind.FromString(detail.value) for detail in details if detail.TypeName() == kind.DESCRIPTOR.full_name), None)
