"""One chain of interceptors around every handler of a process, the same for every door.

The handlers of all servicers are collected once, each folded into the chain once. The gRPC server and the envelope then look a
method up in the same table, so a call meets the same guards whichever way it came. A method without a policy never gets into the table.
"""

from __future__ import annotations  # grpc's handler type takes parameters in its type stubs only

from collections.abc import Callable, Sequence
from typing import Any

import grpc
from grpc_interceptor.server import AsyncServerInterceptor

from shared.policy import MethodPolicy, UnguardedMethodError, checked_policy, find_method
from shared.principal import Role
from shared.streams import StreamGuard

Servicer = tuple[Callable[[Any, Any], None], object]
"""The generated `add_XServicer_to_server` and the servicer to add."""


class _HandlerCollector:
    """Stands in for a grpc.Server and keeps the handlers that generated code registers."""

    def __init__(self) -> None:
        self.handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    def add_registered_method_handlers(self, service: str, handlers: dict[str, grpc.RpcMethodHandler[Any, Any]]) -> None:
        for name, handler in handlers.items():
            self.handlers[f"/{service}/{name}"] = handler

    def add_generic_rpc_handlers(self, handlers: Sequence[object]) -> None:
        """Ignore: the same handlers come by name."""


class MethodTable:
    """Every method of this process, guarded."""

    def __init__(
        self, servicers: Sequence[Servicer], interceptors: Sequence[AsyncServerInterceptor], streams: StreamGuard | None = None
    ) -> None:
        """Fold every handler into `interceptors`, outermost first; `streams` guards the methods that stream, where there are any.

        Raises UnguardedMethodError for a method without a policy.
        """
        collector = _HandlerCollector()
        for add_to_server, servicer in servicers:
            add_to_server(servicer, collector)
        self.handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        self.policies: dict[str, MethodPolicy] = {}
        for name, handler in collector.handlers.items():
            self.policies[name] = checked_policy(find_method(name))
            self.handlers[name] = _fold(name, handler, interceptors, streams)

    def register(self, server: grpc.aio.Server) -> None:
        """Serve the guarded methods on a gRPC server."""
        by_service: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
        for name, handler in self.handlers.items():
            _, service, method = name.split("/")
            by_service.setdefault(service, {})[method] = _unread(handler)
        for service, handlers in by_service.items():
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


def _fold(
    name: str, handler: grpc.RpcMethodHandler[Any, Any], interceptors: Sequence[AsyncServerInterceptor], streams: StreamGuard | None
) -> grpc.RpcMethodHandler[Any, Any]:
    """Put the interceptors around a handler, the first one outermost.

    Each layer is one call of `intercept`; the library's own folding would add a coroutine of its own to each of them. The folded handler
    takes the request as bytes: reading it is a guard's work too. A handler that streams is called once as well, by the stream guard, which
    returns when the stream has ended: so every layer lasts as long as the stream does. One that also takes a stream reads and writes it by
    its context: what opens it is taken for an empty request, and is all that the guards see of it. So it must be for peers only.
    """
    both_ways: Callable[..., Any] | None = handler.stream_stream
    if both_ways is not None:
        if checked_policy(find_method(name)).roles != {Role.PEER}:
            raise UnguardedMethodError(f"{name} takes a stream, and not only from peers")
        return _fold_both_ways(_layered(name, both_ways, interceptors), handler)
    serve: Callable[..., Any] | None = handler.unary_unary
    streaming: Any = handler.unary_stream  # the type stubs know only handlers that are not async
    if streaming is not None and streams is not None:
        serve = streams.serving(streaming)
    if serve is None:
        raise UnguardedMethodError(f"{name} is of a kind that there is no guard for")
    serve = _layered(name, serve, interceptors)
    make = grpc.unary_unary_rpc_method_handler if handler.unary_unary is not None else grpc.unary_stream_rpc_method_handler
    return make(_as_coroutine_function(serve), request_deserializer=None, response_serializer=handler.response_serializer)


def _unread(handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
    """Return the handler as a server has it call by call: served as soon as a call begins, before its request has arrived.

    To the server it is a method with a stream of requests; the guard of arrival reads the one there is, from callers that may call.
    One that takes a stream reads that by itself.
    """
    if handler.stream_stream is not None:
        return handler
    one = handler.unary_unary is not None
    make = grpc.stream_unary_rpc_method_handler if one else grpc.stream_stream_rpc_method_handler
    serve: Any = handler.unary_unary if one else handler.unary_stream
    return make(serve, request_deserializer=None, response_serializer=handler.response_serializer)


def _fold_both_ways(serve: Callable[..., Any], handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
    async def handle(_requests: object, context: object) -> None:
        await serve(b"", context)

    return grpc.stream_stream_rpc_method_handler(handle, request_deserializer=None, response_serializer=handler.response_serializer)


def _layered(name: str, serve: Callable[..., Any], interceptors: Sequence[AsyncServerInterceptor]) -> Callable[..., Any]:
    for interceptor in reversed(interceptors):
        serve = _layer(interceptor.intercept, serve, name)
    return serve


def _layer(intercept: Callable[..., Any], serve: Callable[..., Any], name: str) -> Callable[..., Any]:
    def layer(request: object, context: object) -> Any:
        return intercept(serve, request, context, name)

    return layer


def _as_coroutine_function(serve: Callable[..., Any]) -> Callable[..., Any]:
    """Return what grpc.aio recognises as an async handler; it looks at the function, not at what calling it returns."""

    async def handle(request: object, context: object) -> Any:
        return await serve(request, context)

    return handle
