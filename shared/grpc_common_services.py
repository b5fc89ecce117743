"""The services beside our own at every gRPC port: health and reflection. Both are open to everybody, so their calls are few and short."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from shared.arrival import Arrivals, Places
from shared.errors import ChargingError
from shared.interceptors.context import peer_address
from shared.interceptors.error_mapping import STATUS_CODES
from shared.interceptors.types import Context
from shared.shared_answer import SharedAnswer

READY_SECONDS = 0.5
"""How old what is told of this process's health may be: anybody may ask, as often as they like, and each look costs the database one."""

REFLECTIONS_MAX = 16
"""Calls of reflection at a time. A person's grpcurl makes one, for less than a second."""

REFLECTION_SECONDS_MAX = 30.0


class Health:
    """grpc.health.v1: SERVING while the process is ready and not leaving."""

    def __init__(self, ready: Callable[[], Awaitable[bool]] | None) -> None:
        """`ready` decides what is said of the whole process."""
        self._ready = None if ready is None else SharedAnswer(ready, seconds=READY_SECONDS)
        self._arrivals = Arrivals()
        self.leaving = False

    def register(self, server: grpc.aio.Server) -> None:
        """Serve on a gRPC server. The request is received here and not by the library, which would wait for it as long as it takes."""
        serialize = health_pb2.HealthCheckResponse.SerializeToString
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Check": grpc.stream_unary_rpc_method_handler(self._check, request_deserializer=None, response_serializer=serialize),
            "Watch": grpc.stream_stream_rpc_method_handler(self._watch, request_deserializer=None, response_serializer=serialize),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(health.SERVICE_NAME, handlers),))

    async def _check(self, _messages: object, context: Context) -> health_pb2.HealthCheckResponse:
        """Tell whether calls are welcome. Only the process as a whole has a health, under the empty name."""
        try:
            request = health_pb2.HealthCheckRequest.FromString(await self._arrivals.receive(context, peer_address(context.peer())))
        except ChargingError as error:
            await context.abort(STATUS_CODES[error.code], error.message)
        except DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the request is not a message of this method")
        if request.service:
            await context.abort(grpc.StatusCode.NOT_FOUND, "only the empty service name has a health")
        serving = not self.leaving and (self._ready is None or await self._ready())
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        return health_pb2.HealthCheckResponse(status=status)

    async def _watch(self, _messages: object, context: Context) -> None:
        """Refuse: whoever wants to know asks again."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Watch is not served; use Check")


class Reflection:
    """gRPC server reflection, for grpcurl and the like."""

    def __init__(self, services: list[str]) -> None:
        self._answers: Any = reflection.aio.ReflectionServicer(
            [*services, health.SERVICE_NAME, reflection.SERVICE_NAME], pool=descriptor_pool.Default()
        )
        self._places = Places(REFLECTIONS_MAX)

    def register(self, server: grpc.aio.Server) -> None:
        """Serve on a gRPC server."""
        handler = grpc.stream_stream_rpc_method_handler(
            self._reflect,
            request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
            response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(reflection.SERVICE_NAME, {"ServerReflectionInfo": handler}),))

    async def _reflect(self, questions: Any, context: Context) -> AsyncIterator[reflection_pb2.ServerReflectionResponse]:
        """Answer a caller's questions for a while, and few callers at a time."""
        with self._places.taken() as welcome:
            if not welcome:
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls of reflection are under way")
            try:
                async with asyncio.timeout(REFLECTION_SECONDS_MAX):
                    async for answer in self._answers.ServerReflectionInfo(questions, context):
                        yield answer
            except TimeoutError:
                await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"reflection lasts {REFLECTION_SECONDS_MAX:g} seconds at most")
