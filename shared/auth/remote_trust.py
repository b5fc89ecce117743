"""Fetch the trust state from the gateway, for the processes that are not the gateway."""

from collections.abc import Awaitable, Callable

import grpc.aio
from charging.identity.v1 import identity_pb2, identity_pb2_grpc

from shared.auth.peer_tokens import PeerTokenSource
from shared.auth.trust_state import TrustState

IDENTITY_AUDIENCE = "gateway"
"""The service that peers' tokens for the identity RPCs are made for."""

CALL_TIMEOUT_SECONDS = 2.0
"""Less than the time between two refreshes, so that a lost call costs no more than one."""


def remote_fetch(channel: grpc.aio.Channel, peer_tokens: PeerTokenSource) -> Callable[[], Awaitable[TrustState]]:
    """Return a fetch for TrustCopy that asks TrustService.GetTrustState over the channel. It raises grpc.aio.AioRpcError."""
    stub = identity_pb2_grpc.TrustServiceStub(channel)

    async def fetch() -> TrustState:
        request = identity_pb2.GetTrustStateRequest()
        metadata = peer_tokens.metadata(IDENTITY_AUDIENCE)
        return trust_state_of(await stub.GetTrustState(request, metadata=metadata, timeout=CALL_TIMEOUT_SECONDS))

    return fetch


def trust_state_of(response: identity_pb2.GetTrustStateResponse) -> TrustState:
    """Return the trust state in an answer."""
    return TrustState(
        keys={key.kid: key.public_key for key in response.keys},
        revoked={token.jti: float(token.expires_at.seconds) for token in response.revoked_tokens},
        versions={version.subject: version.version for version in response.token_versions},
    )


def trust_state_response(state: TrustState) -> identity_pb2.GetTrustStateResponse:
    """Return the answer that carries a trust state."""
    response = identity_pb2.GetTrustStateResponse()
    for kid, public_key in state.keys.items():
        response.keys.add(kid=kid, public_key=public_key)
    for jti, expires_at in state.revoked.items():
        response.revoked_tokens.add(jti=jti).expires_at.FromSeconds(int(expires_at))
    for subject, version in state.versions.items():
        response.token_versions.add(subject=subject, version=version)
    return response
