"""Failed calls as problem documents."""

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from shared.errors import (
    AlreadyExists,
    ChargingError,
    Code,
    Conflict,
    DeadlineExceeded,
    FailedPrecondition,
    FieldViolation,
    IdempotencyKeyReused,
    IdempotencyKeyRunning,
    InvalidArgument,
    NotFound,
    Overloaded,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from shared.transport.backend import Answer
from tests.unit.gateway_http.conftest import Client

CHARGE = "/api/customer/increase-credit/"
BODY = '{"vendor": 1, "customer": 1, "amount": 1}'


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidArgument("no"), 400),
        (Unauthenticated("no"), 401),
        (PermissionDenied("no"), 403),
        (NotFound("no"), 404),
        (AlreadyExists("no"), 409),
        (Conflict("no"), 409),
        (IdempotencyKeyRunning("no"), 409),
        (FailedPrecondition("no"), 409),
        (FailedPrecondition("no", reason="CREDIT_LIMIT_IN_USE"), 409),
        (IdempotencyKeyReused("no"), 422),
        (ResourceExhausted("no"), 429),
        (Overloaded("no"), 503),
        (Unavailable("no"), 503),
        (DeadlineExceeded("no"), 504),
    ],
)
async def test_every_error_has_its_status_and_keeps_its_reason(client: Client, error: ChargingError, status: int) -> None:
    """The document repeats the status, and its type points at the reason in the catalogue."""
    client.backend.answer = error
    reply = await client.post(CHARGE, BODY)
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    document = reply.json
    assert {"type", "title", "status", "detail", "reason", "request_id", "errors"} == set(document)
    assert (document["status"], document["reason"], document["detail"]) == (status, error.reason, "no")
    assert document["type"] == f"/api/docs/errors/#{error.reason}"
    assert ("www-authenticate" in reply.headers) is (status == 401)


async def test_violations_are_named_as_the_caller_named_the_fields(client: Client) -> None:
    """`vendor_id` of the proto is `vendor` in JSON: in the errors, the detail and the metadata."""
    client.backend.answer = InvalidArgument.of_field("vendor_id", "must be at least 1")
    reply = await client.post(CHARGE, BODY)
    assert reply.json["errors"] == [{"field": "vendor", "message": "must be at least 1"}]
    assert reply.json["detail"] == "vendor: must be at least 1"
    assert reply.json["metadata"] == {"field": "vendor"}


async def test_paths_into_lists_are_translated(client: Client) -> None:
    """Every segment has its own JSON name; what is no field of the request stays as it is."""
    violations = [FieldViolation(path, "no") for path in ("items[3].vendor_id", "items", "idempotency-key", "items[0].nothing")]
    client.backend.answer = InvalidArgument("no", violations=violations)
    reply = await client.post("/api/customer/increase-credit/batch/", '{"items": [{"vendor": 1}]}')
    assert [error["field"] for error in reply.json["errors"]] == ["items[3].vendor", "items", "idempotency-key", "items[0].nothing"]


async def test_the_variables_of_an_error_are_told(client: Client) -> None:
    """What a caller can act on is in the metadata."""
    client.backend.answer = FailedPrecondition("no", metadata={"available": "40", "shortfall": "60"})
    assert (await client.post(CHARGE, BODY)).json["metadata"] == {"available": "40", "shortfall": "60"}


@pytest.mark.parametrize(("seconds", "header"), [(0.2, "1"), (1.0, "1"), (1.25, "2"), (30, "30")])
async def test_a_retry_delay_is_rounded_up(client: Client, seconds: float, header: str) -> None:
    """Retry-After has whole seconds, and trying too early is refused again."""
    client.backend.answer = ResourceExhausted("no", retry_after_seconds=seconds)
    client.backend.trailers = {"ratelimit": '"default";r=0;t=30'}
    reply = await client.post(CHARGE, BODY)
    assert (reply.headers["retry-after"], reply.headers["ratelimit"]) == (header, '"default";r=0;t=30')


async def test_a_deprecated_form_says_so_when_it_fails_too(client: Client) -> None:
    """The header does not depend on the outcome."""
    client.backend.answer = NotFound.of("credit request", 7)
    reply = await client.get("/api/vendor/approve-request/?request_credit_id=7")
    assert (reply.status, reply.json["reason"], "deprecation" in reply.headers) == (404, "CREDIT_REQUEST_NOT_FOUND", True)
    assert reply.fields == {"request_credit_id"}


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (1, 503, "UNAVAILABLE"),
        (2, 500, "INTERNAL"),
        (3, 400, "INVALID_ARGUMENT"),
        (4, 504, "DEADLINE_EXCEEDED"),
        (5, 404, "NOT_FOUND"),
        (6, 409, "ALREADY_EXISTS"),
        (7, 403, "PERMISSION_DENIED"),
        (8, 429, "RESOURCE_EXHAUSTED"),
        (9, 409, "FAILED_PRECONDITION"),
        (10, 409, "CONFLICT"),
        (11, 500, "INTERNAL"),
        (12, 501, "UNIMPLEMENTED"),
        (13, 500, "INTERNAL"),
        (14, 503, "UNAVAILABLE"),
        (15, 500, "INTERNAL"),
        (16, 401, "UNAUTHENTICATED"),
        (99, 500, "INTERNAL"),
    ],
)
async def test_a_foreign_failure_never_shows_its_text(client: Client, code: int, status: int, reason: str) -> None:
    """Libraries name hosts and code in their texts; only our services' own errors are shown."""
    client.backend.answer = Answer(code, "connect to 10.0.0.5:50051 failed, /srv/app.py line 3")
    reply = await client.post(CHARGE, BODY)
    assert (reply.status, reply.json["reason"]) == (status, reason)
    assert b"10.0.0.5" not in reply.body
    assert b"app.py" not in reply.body


async def test_an_internal_error_never_shows_its_text(client: Client) -> None:
    """Not even one that a service of ours described."""
    client.backend.answer = ChargingError("row 17 of vendor_credit is odd", metadata={"row": "17"})
    reply = await client.post(CHARGE, BODY)
    assert (reply.status, b"row" in reply.body) == (500, False)


async def test_broken_details_are_no_worse_than_none(client: Client) -> None:
    """What cannot be decoded is left out."""
    client.backend.answer = Answer(14, "text", status=b"\xff\xff\xff")
    assert (await client.post(CHARGE, BODY)).status == 503


async def test_a_retry_delay_without_a_reason_is_still_told(client: Client) -> None:
    """RetryInfo stands for itself."""
    status = Status(code=int(Code.UNAVAILABLE))
    status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=3)))
    client.backend.answer = Answer(14, "", status=status.SerializeToString())
    assert (await client.post(CHARGE, BODY)).headers["retry-after"] == "3"


async def test_a_broken_backend_is_answered_and_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """An exception becomes a 500 without its text; the log has it under the request id."""

    async def fail() -> Answer:
        raise RuntimeError("secret")

    client.backend.answer = fail
    reply = await client.post(CHARGE, BODY, x_request_id="r-9")
    assert (reply.status, reply.json["reason"], b"secret" in reply.body) == (500, "INTERNAL", False)
    assert "request r-9 failed" in caplog.text
    assert client.door.requests_in_flight == 0
