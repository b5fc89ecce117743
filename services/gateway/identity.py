"""Compose identity: its RPCs, and this process's own copy of the trust state."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from charging.identity.v1.identity_pb2_grpc import (
    add_AuditLogServiceServicer_to_server,
    add_TokenServiceServicer_to_server,
    add_TrustServiceServicer_to_server,
    add_UserServiceServicer_to_server,
)

from services.gateway.handlers.audit_log import AuditLogServicer
from services.gateway.handlers.parts import Parts
from services.gateway.handlers.token_service import TokenService
from services.gateway.handlers.trust_service import TrustService
from services.gateway.handlers.user_service import UserService
from services.gateway.key_safe import KeySafe
from services.gateway.login_throttle import build_login_throttle
from services.gateway.operations.read_trust_state import read_trust_state
from services.gateway.operations.rotate_signing_key import ensure_signing_key
from services.gateway.passwords import Passwords
from services.gateway.settings import GatewaySettings
from services.gateway.vendor_directory import VendorDirectory
from shared.auth.trust_state import TrustCopy, TrustState
from shared.clock import utc_now
from shared.database import Database

GATEWAY_ACTOR = "peer:gateway"
"""Who made the first signing key, in the audit log."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Identity, composed: `servicers` are pairs of the function that adds a servicer to a server and the servicer."""

    servicers: list[tuple[Callable[[Any, Any], None], object]]
    parts: Parts

    @property
    def trust(self) -> TrustCopy:
        """Return this process's copy of the trust state, which is read from its own tables."""
        return self.parts.trust

    async def start(self) -> None:
        """Make the first signing key if there is none, read the trust state, and keep it fresh from now on.

        Raises ValueError when the signing key was encrypted with another secret than the one in the settings.
        """
        await ensure_signing_key(self.parts.database, self.parts.key_safe, now=self.parts.clock(), actor=GATEWAY_ACTOR)
        await self.trust.refresh()
        self.trust.start()

    async def close(self) -> None:
        """Stop what `start` began and let the threads go. The database is the caller's."""
        await self.trust.close()
        await self.parts.throttle.close()
        self.parts.passwords.close()


def build_identity(
    settings: GatewaySettings,
    database: Database,
    *,
    passwords: Passwords | None = None,
    clock: Callable[[], datetime] = utc_now,
    vendors: VendorDirectory | None = None,
) -> Identity:
    """Return identity on the gateway's database, which the caller opens and closes. `vendors` tells which vendors exist."""

    async def fetch() -> TrustState:
        return await read_trust_state(database, now=clock())

    parts = Parts(
        database=database,
        passwords=passwords or Passwords(),
        throttle=build_login_throttle(settings, settings.login_limit_requests),
        key_safe=KeySafe(settings.key_encryption_secret.get_secret_value()),
        trust=TrustCopy(fetch),
        clock=clock,
        login_token_life=timedelta(hours=settings.login_token_hours),
        api_token_life=timedelta(days=settings.api_token_days),
        vendors=vendors,
    )
    return Identity(
        servicers=[
            (add_TokenServiceServicer_to_server, TokenService(parts)),
            (add_UserServiceServicer_to_server, UserService(parts)),
            (add_TrustServiceServicer_to_server, TrustService(parts)),
            (add_AuditLogServiceServicer_to_server, AuditLogServicer(database)),
        ],
        parts=parts,
    )
