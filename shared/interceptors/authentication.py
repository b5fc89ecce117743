"""Find out who calls."""

from grpc_interceptor.server import AsyncServerInterceptor

from shared.auth.authenticator import Authenticator, UnknownKey
from shared.auth.signed_token import refused
from shared.call import Call, current_call
from shared.interceptors.types import Context, Handler, Serving

_SCHEMES = frozenset({"token", "bearer"})


class AuthenticationInterceptor(AsyncServerInterceptor):
    """Set the call's principal from its token, `authorization: Token <token>`; methods that are open to everyone skip it.

    `Bearer` (RFC 6750) is accepted too, because many clients know no other scheme. Raises Unauthenticated for a token that is missing
    or not valid, and Unavailable when the trust state does not allow to tell.
    """

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def intercept(self, method: Handler, request_or_iterator: object, context: Context, method_name: str) -> Serving:
        """Authenticate the caller, then go on."""
        call = current_call()
        if call.policy.open:
            return method(request_or_iterator, context)
        scheme, _, token = call.metadata.get("authorization", "").partition(" ")
        if scheme.lower() not in _SCHEMES:
            raise refused()
        try:
            call.principal = self._authenticator.verify(token)
        except UnknownKey:
            return self._after_asking(token, call, method, request_or_iterator, context)
        return method(request_or_iterator, context)

    async def _after_asking(self, token: str, call: Call, method: Handler, request_or_iterator: object, context: Context) -> object:
        """Go on once the trust state has been asked about the token's key."""
        call.principal = await self._authenticator.authenticate(token)
        return await method(request_or_iterator, context)
