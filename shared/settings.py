"""Settings that every process has, read from environment variables.

Names carry the prefix `CHARGING_`; only DATABASE_URL and REDIS_URL go without. All mistakes are reported at once, by name.

A setting may also be the content of a file named like its variable, in the folder that CHARGING_SECRETS_DIR names: a secret in a file is
not passed on to children and not shown by whoever lists a process's environment. A variable wins over a file.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.cell_numbers import CELLS_MAX
from shared.clock import utc_now
from shared.redis_clients import read_sentinel_url
from shared.tls.files import TlsFiles

Port = Annotated[int, Field(ge=0, le=65535)]


class CommonSettings(BaseSettings):
    """What every process of the system may be told."""

    model_config = SettingsConfigDict(env_prefix="CHARGING_", extra="ignore", populate_by_name=True)

    cells: Annotated[int, Field(ge=1, le=CELLS_MAX)] = 1
    """Into how many schemas vendor_credit and customer_charge are split, see shared/cells.py. The same for every process and the set-up,
    and never changed once the database is set up."""

    profile: Literal["development", "production"] = "production"
    """`development` makes demo data, allows a relaxed PostgreSQL, and serves on loopback only."""

    log_format: Literal["console", "json"] = "json"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    redis_url: str = Field(default="redis://127.0.0.1:6379/0", validation_alias=AliasChoices("REDIS_URL", "redis_url"))
    """The broker: no eviction, append-only file. One server, or sentinels: see shared/redis_clients.py."""

    cache_redis_url: str = ""
    """Claims, limits and cached look-ups: bounded memory, volatile-lru. Empty means the broker's."""

    peer_name: str = ""
    """Name of this process's own key; empty means the service's name."""

    keys_dir: Path = Path(".charging/keys")
    """`<peer>.private.pem` of this process and `<peer>.public.pem` of every peer."""

    host: str = "127.0.0.1"
    """Address to listen on."""

    heartbeat_file: Path | None = None
    """File that this process touches every few seconds while it is alive; None means none. See shared/heartbeat.py."""

    demo_data: bool = False
    """Whether the demo data may be made outside the development profile. Its users have passwords that everybody knows."""

    metrics_port: Port = 0
    """Port of `/metrics` of this process; 0 switches it off."""

    trace_ratio: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of all traces that are kept and sent; 0 switches them off. The same for every process. See shared/tracing/."""

    reflection: bool = True
    """Whether gRPC server reflection is served."""

    tls_cert_file: Path | None = None
    """Certificate chain of this process, PEM. With it, its key and the authority's certificate, all gRPC is encrypted, and the processes
    of this system show each other certificates."""

    tls_key_file: Path | None = None
    """Private key of the first certificate in `tls_cert_file`, PEM, not encrypted."""

    tls_ca_file: Path | None = None
    """Certificates, PEM, of the authority that signs those of this system's own processes, and of nobody else."""

    identity_address: str = "127.0.0.1:50050"
    vendor_credit_address: str = "127.0.0.1:50051"
    customer_charge_address: str = "127.0.0.1:50052"

    rate_limit_requests: Annotated[int, Field(ge=1)] = 10
    """Unsafe requests allowed per client address and method in each window."""

    rate_limit_window_seconds: Annotated[int, Field(ge=1)] = 60

    replay_limit_requests: Annotated[int, Field(ge=1)] = 6000
    """Replays of a known idempotency key allowed per principal in each window."""

    streams_max: Annotated[int, Field(ge=1)] = 500
    """Streams of events that one process serves at a time."""

    streams_per_principal_max: Annotated[int, Field(ge=1)] = 20
    """Streams of events of one principal at one process."""

    drain_seconds: Annotated[float, Field(ge=0)] = 10.0
    """How long calls in flight may still run after SIGTERM."""

    faults_dir: Path | None = None
    """Folder of faults that tests command; development profile only. See shared/crash_points.py."""

    @field_validator("redis_url", "cache_redis_url")
    @classmethod
    def _complete_sentinel_url(cls, url: str) -> str:
        read_sentinel_url(url)
        return url

    @model_validator(mode="after")
    def _only_tests_command_faults(self) -> Self:
        if self.faults_dir is not None and self.profile != "development":
            raise ValueError("CHARGING_FAULTS_DIR is for tests: outside the development profile nothing may be told to fail")
        return self

    @model_validator(mode="after")
    def _tls_files_fit(self) -> Self:
        check_tls({"CERT": self.tls_cert_file, "KEY": self.tls_key_file, "CA": self.tls_ca_file}, "CHARGING_TLS", self.tls)
        return self

    @property
    def tls(self) -> TlsFiles | None:
        """Return the files of TLS between the services, None where gRPC is plain."""
        if self.tls_cert_file is None or self.tls_key_file is None or self.tls_ca_file is None:
            return None
        return TlsFiles(self.tls_cert_file, self.tls_key_file, self.tls_ca_file)

    @property
    def demo_data_allowed(self) -> bool:
        """Tell whether the demo data may be made here."""
        return self.demo_data or self.profile == "development"

    @property
    def limits_redis_url(self) -> str:
        """Return the URL of the instance for claims, limits and caches."""
        return self.cache_redis_url or self.redis_url


class DatabaseSettings(CommonSettings):
    """Settings of a process that has a database. Subclasses name their own variables, ports and schema."""

    database_pool_size: Annotated[int, Field(ge=1, le=200)] = 8
    """Connections of each process, shared out among the cells."""

    connection_age_seconds: Annotated[float, Field(gt=0)] = 1800.0
    """After so long a gRPC connection ends and its client connects anew: that is when it finds processes that came meanwhile."""

    grpc_peer_port: Port = 0
    """Port for peers only, who show certificates there; the ordinary port then asks for none. 0: all come to the ordinary one."""

    @model_validator(mode="after")
    def _peers_show_certificates(self) -> Self:
        if self.grpc_peer_port and self.tls is None:
            raise ValueError(
                "a port for peers (CHARGING_*_PEER_PORT) needs CHARGING_TLS_CERT_FILE, CHARGING_TLS_KEY_FILE and CHARGING_TLS_CA_FILE"
            )
        return self


def environment_with_secrets() -> dict[str, str]:
    """Return the environment variables, and the files of the secrets folder for those that are not set."""
    folder = os.environ.get("CHARGING_SECRETS_DIR")
    files = {file.name: file.read_text().strip() for file in Path(folder).iterdir() if file.is_file()} if folder else {}
    return files | os.environ


def check_tls(given: Mapping[str, Path | None], settings: str, files: TlsFiles | None) -> None:
    """Raise ValueError when only some of the settings that belong together are set, or what they name is of no use."""
    missing = [f"{settings}_{which}_FILE" for which, path in given.items() if path is None]
    if files is None and len(missing) < len(given):
        raise ValueError(f"{' and '.join(missing)}: not set, and {settings}_* works only as a whole")
    if files is not None:
        files.read(now=utc_now())


SettingsT = TypeVar("SettingsT", bound=CommonSettings)


def load_settings(kind: type[SettingsT]) -> SettingsT:
    """Read the settings from the environment and the secrets folder, or name every mistake on standard error and exit with status 2."""
    try:
        return kind(_secrets_dir=os.environ.get("CHARGING_SECRETS_DIR") or None)
    except ValidationError as error:
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"])
            print(f"setting {name}: {problem['msg']}", file=sys.stderr)  # never the value: it may be a secret
        raise SystemExit(2) from None
