"""Build the Call of a call from what its door knows, and log its outcome. The outermost interceptor."""

import re
import time
from urllib.parse import unquote

import grpc
import structlog
from grpc_interceptor.server import AsyncServerInterceptor

from shared.call import CALL_ID_KEY, CLIENT_ADDRESS_KEY, CURRENT_CALL, RESERVED_PREFIX, Call
from shared.interceptors.types import Context, Handler
from shared.policy import MethodPolicy, checked_policy, find_method
from shared.tracing.ids import trace_id_text
from shared.transport.inner_context import InnerContext
from shared.uuid7 import uuid7_text

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
CALL_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

DEFAULT_TIMEOUT_SECONDS = 30.0
"""For a caller that sets no deadline: nothing waits for ever."""

DEFAULT_STREAM_SECONDS = 3600.0
"""The same for a stream; whoever serves it ends it earlier."""

log = structlog.get_logger("call")


class ContextInterceptor(AsyncServerInterceptor):
    """Make the Call, hand it to everything inside by a context variable, and write one log line per call."""

    def __init__(self, *, log_success: bool) -> None:
        """`log_success` also logs calls that went well; failures are always logged."""
        self._policies: dict[str, MethodPolicy] = {}
        self._log_success = log_success

    async def intercept(self, method: Handler, request_or_iterator: object, context: Context, method_name: str) -> object:
        """Serve the call within its Call."""
        policy = self._policies.get(method_name)
        if policy is None:
            policy = self._policies[method_name] = checked_policy(find_method(method_name))
        call = build_call(policy, context)
        call.trailers["x-request-id"] = call.request_id
        token = CURRENT_CALL.set(call)
        started = time.monotonic()
        outcome = "ABANDONED"
        try:
            answer = await method(request_or_iterator, context)
            outcome = "OK"
        except grpc.aio.AbortError:
            outcome = _code_name(context.code())
            raise
        finally:
            CURRENT_CALL.reset(token)
            if outcome != "OK" or self._log_success:
                log.info(
                    "call",
                    method=method_name,
                    code=outcome,
                    ms=round((time.monotonic() - started) * 1000, 1),
                    request_id=call.request_id,
                    call_id=call.call_id,
                    trace_id=trace_id_text(call.call_id),
                    principal=call.principal.subject if call.principal else None,
                    client=call.client_address,
                )
        return answer


def build_call(policy: MethodPolicy, context: Context) -> Call:
    """Return the Call for what arrived. Reserved metadata counts only inside an envelope; from anyone else it is dropped."""
    if isinstance(context, InnerContext):
        return _enveloped_call(policy, context)
    metadata = {
        key: value for key, value in context.invocation_metadata() or () if isinstance(value, str) and not key.startswith(RESERVED_PREFIX)
    }
    request_id = metadata.get("x-request-id", "")
    timeout = context.time_remaining()
    default = DEFAULT_STREAM_SECONDS if policy.streaming else DEFAULT_TIMEOUT_SECONDS
    return Call(
        method=policy.name,
        policy=policy,
        metadata=metadata,
        request_id=request_id if REQUEST_ID.fullmatch(request_id) else uuid7_text(),
        call_id=uuid7_text(),
        client_address=peer_address(context.peer()),
        deadline=time.monotonic() + (default if timeout is None else timeout),
    )


def _enveloped_call(policy: MethodPolicy, context: InnerContext) -> Call:
    """Return the Call for what a door of this system sent on, with the ids that it gave."""
    metadata = dict(context.invocation_metadata())
    call_id, request_id = metadata.get(CALL_ID_KEY, ""), metadata.get("x-request-id", "")
    return Call(
        method=policy.name,
        policy=policy,
        metadata=metadata,
        request_id=request_id if REQUEST_ID.fullmatch(request_id) else uuid7_text(),
        call_id=call_id if CALL_ID.fullmatch(call_id) else uuid7_text(),
        client_address=metadata.get(CLIENT_ADDRESS_KEY) or peer_address(context.peer()),
        deadline=time.monotonic() + context.time_remaining(),
        enveloped=True,
    )


def peer_address(peer: str) -> str:
    """Return the IP address in a gRPC peer name such as `ipv4:127.0.0.1:5000` or `ipv6:%5B::1%5D:5000`; other names are returned whole."""
    family, _, rest = unquote(peer).partition(":")
    if family not in ("ipv4", "ipv6"):
        return peer
    return rest.rpartition(":")[0].strip("[]")


def _code_name(code: object) -> str:
    if isinstance(code, grpc.StatusCode):
        return code.name
    return next((status.name for status in grpc.StatusCode if status.value[0] == code), str(code))
