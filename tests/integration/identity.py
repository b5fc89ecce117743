"""Identity on a real database, for the tests of this folder."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import argon2
import psycopg
from charging.identity.v1 import identity_pb2 as pb

from services.gateway.handlers.token_service import TokenService
from services.gateway.handlers.trust_service import TrustService
from services.gateway.handlers.user_service import UserService
from services.gateway.identity import Identity, build_identity
from services.gateway.passwords import Passwords
from services.gateway.settings import GatewaySettings
from shared.auth.authenticator import Authenticator
from shared.auth.peer_tokens import PeerTokenVerifier
from shared.call import CURRENT_CALL
from shared.database import Database
from shared.principal import Principal, Role
from tests.authentication import call_of
from tests.databases import Databases

OPERATOR = Principal(subject="user:1", role=Role.OPERATOR, vendors=frozenset(), token_id="", expires_at=0.0)
PASSWORD = "correct horse"


class RecordingHasher(argon2.PasswordHasher):
    """A quick hasher that records what is verified."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002
        """Record the hash, then verify."""
        self.verified.append(str(hash))
        return super().verify(hash, password)


class Gateway:
    """One gateway's identity, called as its interceptors would call it."""

    def __init__(self, identity: Identity, hasher: RecordingHasher, admin_url: str) -> None:
        self.identity = identity
        self.hasher = hasher
        self.admin_url = admin_url
        self.now = datetime.now(UTC)
        self.tokens = TokenService(identity.parts)
        self.users = UserService(identity.parts)
        self.keys = TrustService(identity.parts)
        self.authenticator = Authenticator(identity.trust, PeerTokenVerifier({}, "gateway"), clock=self.seconds)

    def seconds(self) -> float:
        """Return the time in seconds since 1970."""
        return self.now.timestamp()

    def pass_time(self, **time: float) -> None:
        """Move the clock forward."""
        self.now += timedelta(**time)

    async def call(self, handler: Any, request: Any, caller: Principal | None = OPERATOR) -> Any:
        """Serve a request of the caller."""
        service, method = type(handler.__self__).__name__, handler.__name__
        CURRENT_CALL.set(call_of(f"/charging.identity.v1.{service}/{method}", principal=caller))
        return await handler(request, None)

    async def create_user(self, username: str, role: int = pb.ROLE_PARTNER, **fields: Any) -> pb.User:
        """Create a user whose password is PASSWORD."""
        request = pb.CreateUserRequest(username=username, password=PASSWORD, role=role, **fields)  # type: ignore[arg-type]
        return (await self.call(self.users.CreateUser, request)).data

    async def log_in(self, username: str, password: str = PASSWORD) -> str:
        """Return a new login token."""
        request = pb.CreateTokenRequest(username=username, password=password)
        return (await self.call(self.tokens.CreateToken, request, caller=None)).token

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what the administrator reads in the gateway's schema."""
        with psycopg.connect(self.admin_url, options="-c search_path=gateway", autocommit=True) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]


def gateway_settings(databases: Databases, **changes: Any) -> GatewaySettings:
    """Return the settings of a gateway on this database."""
    values = {"database_url": databases.urls["gateway"], "key_encryption_secret": "s" * 32, "keys_dir": Path("/nonexistent")}
    return GatewaySettings(**{**values, **changes})


@asynccontextmanager
async def open_gateway(databases: Databases, **changes: Any) -> AsyncIterator[Gateway]:
    """Give a gateway that has not started yet."""
    settings = gateway_settings(databases, **changes)
    hasher = RecordingHasher()
    database = Database(settings.database_url, settings.database_schema, pool_size=4, application_name="test")
    await database.open()
    try:
        gateway: Gateway
        identity = build_identity(settings, database, passwords=Passwords(hasher), clock=lambda: gateway.now)
        gateway = Gateway(identity, hasher, databases.admin_url)
        yield gateway
        await identity.close()
    finally:
        await database.close()
