"""Settings of the gateway."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator

from shared.settings import DatabaseSettings, Port, check_tls
from shared.tls.files import TlsFiles


class GatewaySettings(DatabaseSettings):
    """What the gateway may be told."""

    database_url: str = Field(validation_alias=AliasChoices("CHARGING_GATEWAY_DATABASE_URL", "DATABASE_URL", "database_url"))
    database_schema: str = "gateway"
    http_port: Port = Field(default=8000, validation_alias=AliasChoices("CHARGING_HTTP_PORT", "http_port"))
    grpc_port: Port = Field(default=50050, validation_alias=AliasChoices("CHARGING_IDENTITY_PORT", "grpc_port"))
    grpc_peer_port: Port = Field(default=0, validation_alias=AliasChoices("CHARGING_IDENTITY_PEER_PORT", "grpc_peer_port"))
    http_tls_cert_file: Path | None = None
    """Certificate chain of the HTTP door, PEM; with its key, the door speaks HTTPS only."""

    http_tls_key_file: Path | None = None
    """Private key of the first certificate in `http_tls_cert_file`, PEM, not encrypted."""

    key_encryption_secret: Annotated[SecretStr, Field(min_length=32)]
    """Encrypts the signing keys at rest in the gateway's schema; at least 32 random characters, the same for every gateway."""

    login_limit_requests: Annotated[int, Field(ge=1)] = 30
    """Sign-ins tried under one user name, from wherever, in each window of `rate_limit_window_seconds`."""

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

    connections_per_address_max: Annotated[int, Field(ge=1)] = 2000
    """The same from one client address; a trusted proxy, behind which are many clients, is not counted."""

    @model_validator(mode="after")
    def _http_tls_files_fit(self) -> Self:
        check_tls({"CERT": self.http_tls_cert_file, "KEY": self.http_tls_key_file}, "CHARGING_HTTP_TLS", self.http_tls)
        return self

    @property
    def http_tls(self) -> TlsFiles | None:
        """Return the files of the HTTP door's certificate, None where it is plain."""
        if self.http_tls_cert_file is None or self.http_tls_key_file is None:
            return None
        return TlsFiles(self.http_tls_cert_file, self.http_tls_key_file, settings="CHARGING_HTTP_TLS")
