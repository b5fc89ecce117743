"""One chain of interceptors around every handler of a process, the same for every door.

The handlers of all servicers are collected once, each folded into the chain once. The gRPC server and the envelope then look a
method up in the same table, so a call meets the same guards whichever way it came. A method without a policy never gets into the table.
"""

from __future__ import annotations  # grpc's handler type takes parameters in its type stubs only

from collections.abc import Callable, Sequence
from typing import Any

import grpc
from grpc_interceptor.server import AsyncServerInterceptor

from shared.policy import MethodPolicy, checked_policy, find_method

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


class _CallDetails(grpc.HandlerCallDetails):
    """What grpc-interceptor wants to know of a call before it folds; metadata is read from the context instead."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.invocation_metadata = ()


class MethodTable:
    """Every method of this process, guarded."""

    def __init__(self, servicers: Sequence[Servicer], interceptors: Sequence[AsyncServerInterceptor]) -> None:
        """Fold every handler into `interceptors`, outermost first. Raises UnguardedMethodError for a method without a policy."""
        collector = _HandlerCollector()
        for add_to_server, servicer in servicers:
            add_to_server(servicer, collector)
        self.handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        self.policies: dict[str, MethodPolicy] = {}
        for name, handler in collector.handlers.items():
            self.policies[name] = checked_policy(find_method(name))
            self.handlers[name] = _fold(name, handler, interceptors)

    def register(self, server: grpc.aio.Server) -> None:
        """Serve the guarded methods on a gRPC server."""
        by_service: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
        for name, handler in self.handlers.items():
            _, service, method = name.split("/")
            by_service.setdefault(service, {})[method] = handler
        for service, handlers in by_service.items():
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


def _fold(
    name: str, handler: grpc.RpcMethodHandler[Any, Any], interceptors: Sequence[AsyncServerInterceptor]
) -> grpc.RpcMethodHandler[Any, Any]:
    details = _CallDetails(name)
    for interceptor in reversed(interceptors):
        inner = handler

        async def continuation(
            _: grpc.HandlerCallDetails, inner: grpc.RpcMethodHandler[Any, Any] = inner
        ) -> grpc.RpcMethodHandler[Any, Any]:
            return inner

        handler = _run_now(interceptor.intercept_service(continuation, details))
    return handler


def _run_now(coroutine: Any) -> Any:
    """Run a coroutine that never really waits, as `intercept_service` with our continuation, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("an interceptor waited while the chain was folded")
