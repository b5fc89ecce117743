"""Turn errors into google.rpc.Status, the one place that aborts a call (AIP-193)."""

import asyncio
import math
from typing import Any

import grpc
import structlog
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_interceptor.server import AsyncServerInterceptor

from shared.call import current_call
from shared.errors import ChargingError, Code, ResourceExhausted
from shared.interceptors.types import Context, Handler

ERROR_DOMAIN = "charging"
DETAILS_KEY = "grpc-status-details-bin"

STATUS_CODES = {status.value[0]: status for status in grpc.StatusCode}

log = structlog.get_logger(__name__)


class ErrorMappingInterceptor(AsyncServerInterceptor):
    """Send the trailers of every call, and its error if it has one. Unknown exceptions are logged and never show their text."""

    async def intercept(self, method: Handler, request_or_iterator: object, context: Context, method_name: str) -> object:
        """Serve the call and translate what it raises."""
        call = current_call()
        try:
            answer = await method(request_or_iterator, context)
        except ChargingError as error:
            await _abort(context, status_of(error), call.trailers)
        except (grpc.aio.AbortError, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("call.unexpected", method=method_name, request_id=call.request_id)
            await _abort(context, status_of(ChargingError("an unexpected error; it was logged under the request id")), call.trailers)
        else:
            context.set_trailing_metadata(tuple(call.trailers.items()))
            return answer
        raise AssertionError("abort returned")


async def _abort(context: Context, status: status_pb2.Status, trailers: dict[str, str]) -> None:
    metadata: tuple[tuple[str, str | bytes], ...] = (*trailers.items(), (DETAILS_KEY, status.SerializeToString()))
    await context.abort(STATUS_CODES[status.code], status.message, metadata)


def status_of(error: ChargingError) -> status_pb2.Status:
    """Return the google.rpc.Status of an error: exactly one ErrorInfo, and BadRequest, RetryInfo or QuotaFailure where they fit."""
    details = [_packed(error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=error.metadata))]
    if error.violations:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=violation.field, description=violation.message)
            for violation in error.violations
        ]
        details.append(_packed(error_details_pb2.BadRequest(field_violations=violations)))
    if error.retry_after_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(math.ceil(error.retry_after_seconds * 1000))
        details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    if isinstance(error, ResourceExhausted):
        violation = error_details_pb2.QuotaFailure.Violation(subject=error.metadata.get("limit", error.reason), description=error.message)
        details.append(_packed(error_details_pb2.QuotaFailure(violations=[violation])))
    message = error.message if error.code != Code.INTERNAL else "an unexpected error; it was logged under the request id"
    return status_pb2.Status(code=int(error.code), message=message, details=details)


def _packed(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
