"""Find out who calls."""

from collections.abc import Callable
from typing import Any

import grpc.aio
from grpc_interceptor.server import AsyncServerInterceptor

from shared.auth.authenticator import Authenticator
from shared.auth.signed_token import refused
from shared.call import current_call

_SCHEMES = frozenset({"token", "bearer"})


class AuthenticationInterceptor(AsyncServerInterceptor):
    """Set the call's principal from its token, `authorization: Token <token>`; methods that are open to everyone skip it.

    `Bearer` (RFC 6750) is accepted too, because many clients know no other scheme. Raises Unauthenticated for a token that is missing
    or not valid, and Unavailable when the trust state does not allow to tell.
    """

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def intercept(
        self, method: Callable[..., Any], request_or_iterator: Any, context: grpc.aio.ServicerContext[Any, Any], method_name: str
    ) -> Any:
        """Authenticate the caller, then go on."""
        call = current_call()
        if not call.policy.open:
            scheme, _, token = call.metadata.get("authorization", "").partition(" ")
            if scheme.lower() not in _SCHEMES:
                raise refused()
            call.principal = await self._authenticator.authenticate(token)
        response = method(request_or_iterator, context)
        return response if hasattr(response, "__aiter__") else await response
