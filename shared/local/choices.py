"""What a local stack is made of, and the environment that follows from it and from nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote

from shared.database_setup import SERVICES, ServiceDatabase, cells_from_environment
from shared.local.ports import LOOPBACK, free_port, free_range, port_near
from shared.local.postgres import ADMIN
from shared.local.processes import COUNT_SETTING, PROGRAMS, instances_of

SERVER_PORTS = {
    "CHARGING_HTTP_PORT": 8000,
    "CHARGING_IDENTITY_PORT": 50050,
    "CHARGING_VENDOR_CREDIT_PORT": 50051,
    "CHARGING_CUSTOMER_CHARGE_PORT": 50052,
}
"""Ports that people and other systems know by number: never exchanged for others silently."""

ENGINE_PORTS = {"CHARGING_POSTGRES_PORT": 54320, "CHARGING_BROKER_PORT": 63790, "CHARGING_CACHE_PORT": 63791}
METRICS_PORT = 9100
METRICS_PORT_SETTING = "CHARGING_FIRST_METRICS_PORT"
"""Every process serves its metrics on a port of its own, counted from this one in the order of the processes; 0 switches metrics off."""

PASSWORD_NAMES = {service: f"CHARGING_{service.upper()}_DB_PASSWORD" for service in SERVICES}
SECRET_NAMES = (
    "POSTGRES_PASSWORD",
    "VALKEY_PASSWORD",
    "SUPERVISOR_PASSWORD",
    "CHARGING_KEY_ENCRYPTION_SECRET",
    "CHARGING_WEBHOOK_ENCRYPTION_SECRET",
    *PASSWORD_NAMES.values(),
)
DATABASE = "charging"
PORT_MAX = 65535


class BadChoice(Exception):
    """A setting of the local stack cannot be; the message names it."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Everything that was decided for one stack.

    `settings` are the user's own CHARGING_ variables, passed to every process; `ports` are by setting name; `database_url` and `redis_url`
    are empty for the embedded engines.
    """

    state: Path
    profile: str
    host: str
    ports: Mapping[str, int]
    counts: Mapping[str, int]
    secrets: Mapping[str, str]
    settings: Mapping[str, str]
    database_url: str = ""
    redis_url: str = ""
    cache_redis_url: str = ""

    @property
    def admin_url(self) -> str:
        """Return the administrator's URL of the database."""
        return (
            self.database_url or f"postgresql://{ADMIN}:{self._quoted('POSTGRES_PASSWORD')}@{self._at('CHARGING_POSTGRES_PORT')}/{DATABASE}"
        )

    @property
    def cells(self) -> int:
        """Return the number of cells."""
        return cells_from_environment(self.settings)

    @property
    def database_passwords(self) -> dict[str, str]:
        """Return the password of every service's runtime role."""
        return {service: self.secrets[name] for service, name in PASSWORD_NAMES.items()}

    def environment(self) -> dict[str, str]:
        """Return the variables of `.charging/env`: what the processes get, and the administrator's DATABASE_URL, which they do not get."""
        passwords = self.database_passwords
        broker = self.redis_url or f"redis://:{self._quoted('VALKEY_PASSWORD')}@{self._at('CHARGING_BROKER_PORT')}/0"
        embedded_cache = f"redis://:{self._quoted('VALKEY_PASSWORD')}@{self._at('CHARGING_CACHE_PORT')}/0"
        return {
            "CHARGING_LOG_FORMAT": "console",
            # Ctrl-C shall be over soon; the default suits rolling deployments.
            "CHARGING_DRAIN_SECONDS": "3",
            **self.settings,
            "CHARGING_PROFILE": self.profile,
            "CHARGING_STATE_DIR": str(self.state),
            "CHARGING_HOST": self.host,
            "DATABASE_URL": self.admin_url,
            "REDIS_URL": broker,
            "CHARGING_CACHE_REDIS_URL": self.cache_redis_url or (broker if self.redis_url else embedded_cache),
            **{
                f"CHARGING_{name.upper()}_DATABASE_URL": ServiceDatabase(name).runtime_url(self.admin_url, passwords[name])
                for name in SERVICES
            },
            "CHARGING_KEYS_DIR": str(self.state / "keys"),
            "CHARGING_KEY_ENCRYPTION_SECRET": self.secrets["CHARGING_KEY_ENCRYPTION_SECRET"],
            "CHARGING_WEBHOOK_ENCRYPTION_SECRET": self.secrets["CHARGING_WEBHOOK_ENCRYPTION_SECRET"],
            **{name: str(self.ports[name]) for name in (*SERVER_PORTS, METRICS_PORT_SETTING)},
            "CHARGING_HTTP_URL": f"{self._http_scheme}://{self._at('CHARGING_HTTP_PORT')}",
            "CHARGING_IDENTITY_ADDRESS": self._peers_at("IDENTITY"),
            "CHARGING_VENDOR_CREDIT_ADDRESS": self._peers_at("VENDOR_CREDIT"),
            "CHARGING_CUSTOMER_CHARGE_ADDRESS": self._peers_at("CUSTOMER_CHARGE"),
        }

    @property
    def _http_scheme(self) -> str:
        return "https" if self.settings.get("CHARGING_HTTP_TLS_CERT_FILE") else "http"

    def _peers_at(self, service: str) -> str:
        """Return where this system's own processes reach a service: its port for peers, where it has one."""
        peer_port = self.settings.get(f"CHARGING_{service}_PEER_PORT", "0")
        return f"{LOOPBACK}:{peer_port}" if peer_port.strip("0") else self._at(f"CHARGING_{service}_PORT")

    def _at(self, port_setting: str) -> str:
        return f"{LOOPBACK}:{self.ports[port_setting]}"

    def _quoted(self, secret: str) -> str:
        return quote(self.secrets[secret], safe="")


def choose(state: Path, environment: Mapping[str, str], secrets: Mapping[str, str], *, known_ports: bool = True) -> Choices:
    """Return the choices for a stack in `state`, from the user's environment. Raises BadChoice.

    With `known_ports` the documented numbers are used, for engines only while they are free; without, every port that is not set is a free
    one, so that any number of stacks may run.
    """
    database_url = environment.get("DATABASE_URL", "")
    try:
        cells_from_environment(environment)
    except ValueError as error:
        raise BadChoice(str(error)) from None
    # Demo users have known passwords: in a database of the user's own they are made only when asked for.
    profile = environment.get("CHARGING_PROFILE") or ("production" if database_url else "development")
    host = environment.get("CHARGING_HOST") or LOOPBACK
    if profile == "development" and not _loopback(host):
        raise BadChoice(f"CHARGING_HOST={host}: demo users have known passwords, so the development profile serves on loopback only")
    ports = {}
    for name, known in {**SERVER_PORTS, **ENGINE_PORTS}.items():
        wanted = _number(environment, name)
        if wanted is None:
            wanted = known if known_ports and name in SERVER_PORTS else port_near(known) if known_ports else free_port()
        ports[name] = wanted
    count_names = {COUNT_SETTING, *(program.count_setting for program in PROGRAMS)} - {""}
    counts = {name: count for name in sorted(count_names) if (count := _number(environment, name)) is not None}
    first_metrics_port = _number(environment, METRICS_PORT_SETTING, least=0)
    if first_metrics_port is None:
        first_metrics_port = free_range(METRICS_PORT, len(instances_of(PROGRAMS, counts))) if known_ports else 0
    ports[METRICS_PORT_SETTING] = first_metrics_port
    return Choices(
        state=state,
        profile=profile,
        host=host,
        ports=ports,
        counts=counts,
        secrets={**secrets, **{name: environment[name] for name in SECRET_NAMES if environment.get(name)}},
        settings={name: value for name, value in environment.items() if name.startswith("CHARGING_") and name not in SECRET_NAMES},
        database_url=database_url,
        redis_url=environment.get("REDIS_URL", ""),
        cache_redis_url=environment.get("CHARGING_CACHE_REDIS_URL", ""),
    )


def _number(environment: Mapping[str, str], name: str, least: int = 1) -> int | None:
    text = environment.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or not least <= int(text) <= PORT_MAX:
        raise BadChoice(f"{name}={text}: give a number from {least} to {PORT_MAX}")
    return int(text)


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
