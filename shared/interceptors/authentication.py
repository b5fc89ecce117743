"""Find out who calls."""

from grpc_interceptor.server import AsyncServerInterceptor

from shared.auth.authenticator import Authenticator, UnknownKey
from shared.auth.signed_token import refused
from shared.call import Call, current_call
from shared.errors import PermissionDenied
from shared.interceptors.types import Context, Handler, Serving
from shared.principal import Principal, Role

CERTIFICATE = "x509_pem_cert"
"""What gRPC tells of the other end of a connection only when its certificate was asked for and verified."""

_SCHEMES = frozenset({"token", "bearer"})


class AuthenticationInterceptor(AsyncServerInterceptor):
    """Set the call's principal from its token, `authorization: Token <token>`; methods that are open to everyone skip it.

    `Bearer` (RFC 6750) is accepted too, because many clients know no other scheme. Raises Unauthenticated for a token that is missing
    or not valid, PermissionDenied (PEER_CERTIFICATE_REQUIRED) for a peer's on a connection without a certificate, and Unavailable when the
    trust state does not allow to tell.
    """

    def __init__(self, authenticator: Authenticator, *, peers_certified: bool = False) -> None:
        """With `peers_certified` a peer's token opens nothing but on a connection whose other end showed a certificate."""
        self._authenticator = authenticator
        self._peers_certified = peers_certified

    def intercept(self, method: Handler, request_or_iterator: object, context: Context, method_name: str) -> Serving:
        """Authenticate the caller, then go on."""
        call = current_call()
        if call.policy.open:
            return method(request_or_iterator, context)
        scheme, _, token = call.metadata.get("authorization", "").partition(" ")
        if scheme.lower() not in _SCHEMES:
            raise refused()
        try:
            call.principal = self._connected(self._authenticator.verify(token), context)
        except UnknownKey:
            return self._after_asking(token, call, method, request_or_iterator, context)
        return method(request_or_iterator, context)

    async def _after_asking(self, token: str, call: Call, method: Handler, request_or_iterator: object, context: Context) -> object:
        """Go on once the trust state has been asked about the token's key."""
        call.principal = self._connected(await self._authenticator.authenticate(token), context)
        return await method(request_or_iterator, context)

    def _connected(self, principal: Principal, context: Context) -> Principal:
        """Return the principal unless it is a peer that comes by a connection on which peers do not come."""
        if self._peers_certified and principal.role is Role.PEER and CERTIFICATE not in context.auth_context():
            raise PermissionDenied(
                "a peer's token is good on a connection with a peer's certificate only", reason="PEER_CERTIFICATE_REQUIRED"
            )
        return principal
