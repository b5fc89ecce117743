"""charging.identity.v1.TrustService."""

from typing import Any

import grpc.aio
from charging.identity.v1 import identity_pb2, identity_pb2_grpc

from services.gateway.handlers.parts import Parts
from services.gateway.operations.read_trust_state import read_trust_state
from services.gateway.operations.rotate_signing_key import rotate_signing_key
from shared.auth.remote_trust import trust_state_response
from shared.call import current_call

Context = grpc.aio.ServicerContext[Any, Any]


class TrustService(identity_pb2_grpc.TrustServiceServicer):
    """What processes need to verify tokens by themselves."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def RotateSigningKey(
        self, request: identity_pb2.RotateSigningKeyRequest, context: Context
    ) -> identity_pb2.RotateSigningKeyResponse:
        """Sign with a new key from now on."""
        parts = self._parts
        kid = await rotate_signing_key(parts.database, parts.key_safe, now=parts.clock(), actor=current_call().caller.subject)
        await parts.trust.refresh()
        return identity_pb2.RotateSigningKeyResponse(kid=kid)

    async def GetTrustState(self, request: identity_pb2.GetTrustStateRequest, context: Context) -> identity_pb2.GetTrustStateResponse:
        """Return the trust state in force."""
        return trust_state_response(await read_trust_state(self._parts.database, now=self._parts.clock()))
