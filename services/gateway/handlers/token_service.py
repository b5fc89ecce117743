"""charging.identity.v1.TokenService."""

from typing import Any
from uuid import UUID, uuid4

import grpc.aio
from charging.identity.v1 import identity_pb2, identity_pb2_grpc

from services.gateway.domain.tokens import login_token
from services.gateway.handlers.messages import timestamp
from services.gateway.handlers.parts import Parts
from services.gateway.operations.create_token import create_token
from services.gateway.operations.revoke_token import revoke_token
from shared.call import current_call
from shared.errors import InvalidArgument, PermissionDenied
from shared.principal import Role

Context = grpc.aio.ServicerContext[Any, Any]


class TokenService(identity_pb2_grpc.TokenServiceServicer):
    """Tokens of people."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def CreateToken(self, request: identity_pb2.CreateTokenRequest, context: Context) -> identity_pb2.CreateTokenResponse:
        """Exchange a user name and a password for a token."""
        parts = self._parts
        await parts.throttle.admit(request.username)
        issued = await create_token(
            parts.database,
            parts.passwords,
            parts.key_safe,
            username=request.username,
            password=request.password,
            token=login_token(uuid4(), parts.clock(), parts.login_token_life),
        )
        return identity_pb2.CreateTokenResponse(token=issued.token, expires_at=timestamp(issued.facts.expires_at))

    async def RevokeToken(self, request: identity_pb2.RevokeTokenRequest, context: Context) -> identity_pb2.RevokeTokenResponse:
        """Revoke the caller's token or, for an operator, any."""
        caller = current_call().caller
        if request.jti and caller.role is not Role.OPERATOR:
            raise PermissionDenied("only an operator may revoke a token by its id", reason="ROLE_NOT_ALLOWED", metadata={"field": "jti"})
        jti = _jti_of(request.jti or caller.token_id)
        await revoke_token(self._parts.database, jti=jti, now=self._parts.clock(), actor=caller.subject)
        # This process refuses the token from the next call on; the others follow within seconds.
        await self._parts.trust.refresh()
        return identity_pb2.RevokeTokenResponse()


def _jti_of(text: str) -> UUID:
    try:
        jti = UUID(text)
    except ValueError:
        jti = None
    # The constructor also reads braces and other spellings; a token has one id.
    if jti is None or str(jti) != text:
        raise InvalidArgument.of_field("jti", "must be a UUID in lower case")
    return jti
