"""One chain of interceptors around every handler of a process, the same for every door.

The handlers of all servicers are collected once, each folded into the chain once. The gRPC server and the envelope then look a
method up in the same table, so a call meets the same guards whichever way it came. A method without a policy never gets into the table.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from grpc_interceptor.server import AsyncServerInterceptor

from shared.policy import MethodPolicy, RateLimitClass, policy_of

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


class UnguardedMethodError(Exception):
    """The contract has a method that nobody may call: it names no policy, or one without role or limit."""


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


def find_method(name: str) -> MethodDescriptor:
    """Return the descriptor of the method with this full name. Raises KeyError when there is none."""
    return descriptor_pool.Default().FindMethodByName(name[1:].replace("/", "."))


def checked_policy(method: MethodDescriptor) -> MethodPolicy:
    """Return the policy of a method, or raise UnguardedMethodError for one that says too little."""
    policy = policy_of(method)
    if policy is None:
        raise UnguardedMethodError(f"{method.full_name} has no policy")
    if not policy.open and not policy.roles:
        raise UnguardedMethodError(f"{method.full_name} is neither open nor allowed to any role")
    if policy.rate_limit_class is RateLimitClass.UNSPECIFIED:
        raise UnguardedMethodError(f"{method.full_name} has no rate limit class")
    return policy


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

        handler = _run_now(interceptor.intercept_service(continuation, details))  # type: ignore[no-untyped-call]
    return handler


def _run_now(coroutine: Any) -> Any:
    """Run a coroutine that never really waits, as `intercept_service` with our continuation, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("an interceptor waited while the chain was folded")


async def drain(server: grpc.aio.Server, seconds: float) -> None:
    """Refuse new calls and wait up to `seconds` for those in flight."""
    await asyncio.shield(server.stop(seconds))
