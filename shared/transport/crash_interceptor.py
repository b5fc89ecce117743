"""Crash points before and after each RPC that leaves this process."""

from collections.abc import Callable
from typing import Any

import grpc

from shared.crash_points import crash_point


class CrashInterceptor(grpc.aio.UnaryUnaryClientInterceptor):
    """Comes to `<Method>.before_call` and `<Method>.after_call`. Only in processes that watch a folder of faults."""

    async def intercept_unary_unary(
        self, continuation: Callable[[grpc.aio.ClientCallDetails, Any], Any], client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        """Send the call on, between the two points. The second one comes once the answer is there, whatever it is."""
        method = client_call_details.method
        name = (method.decode() if isinstance(method, bytes) else method).rpartition("/")[2]
        crash_point(f"{name}.before_call")
        call = await continuation(client_call_details, request)
        await call.code()
        crash_point(f"{name}.after_call")
        return call
