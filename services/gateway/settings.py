"""Settings of the gateway."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr

from shared.settings import DatabaseSettings, Port


class GatewaySettings(DatabaseSettings):
    """What the gateway may be told."""

    database_url: str = Field(validation_alias=AliasChoices("CHARGING_GATEWAY_DATABASE_URL", "DATABASE_URL", "database_url"))
    database_schema: str = "gateway"
    http_port: Port = Field(default=8000, validation_alias=AliasChoices("CHARGING_HTTP_PORT", "http_port"))
    grpc_port: Port = Field(default=50050, validation_alias=AliasChoices("CHARGING_IDENTITY_PORT", "grpc_port"))
    key_encryption_secret: Annotated[SecretStr, Field(min_length=32)]
    """Encrypts the signing keys at rest in the gateway's schema; at least 32 random characters, the same for every gateway."""

    login_token_hours: Annotated[int, Field(ge=1, le=24 * 7)] = 12
    api_token_days: Annotated[int, Field(ge=1, le=365)] = 90
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks of the proxies in front; only behind these is X-Forwarded-For read, right-most untrusted hop first."""

    request_timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Time a caller's request may take in all, beyond what it asked to wait."""

    receive_timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Time a client may take to send its whole request; slower ones are dropped."""

    docs: bool = True
    """Whether /api/docs/ and /api/openapi.json are served."""

    sandbox: bool = False
    """Whether the magic customers of the sandbox play their scripts. In the development profile only."""

    console: bool = True
    """Whether the operators' console is served at /console/."""

    requests_in_flight_max: Annotated[int, Field(ge=1)] = 2000
    """API requests worked on at a time in one process; more are answered 503 at once."""

    connections_max: Annotated[int, Field(ge=1)] = 10_000
    """Open HTTP connections of one process; more are answered 503 and closed."""
