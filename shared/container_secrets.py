"""The secrets of the set in docker-compose.yml: made once, and laid out so that each container sees its own only.

Run as `python -m shared.container_secrets DIRECTORY`. Every folder in DIRECTORY becomes the volume of one kind of container; a file holds
the value of the setting it is named after (CHARGING_SECRETS_DIR):

- `setup`: the administrator's DATABASE_URL and every secret there is, for the jobs that set up the others. It is the truth: what it lacks
  is made at random, what it has is never replaced, and the other folders follow from it.
- `postgres` and `redis`: the password of the engine, in the form the official image reads.
- `vendor_credit`, `customer_charge`, `gateway`, `scheduler`: what that process needs, its own private key, and the public keys of all;
  below `tls` its own certificate, which is made anew a month before it ends, and the authority's, whose key is in `setup` alone.

So a service that is broken into gives away its own role in the database and its own name among the peers, and nobody else's.
"""

import secrets
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from shared.clock import utc_now
from shared.database_setup import SERVICES, ServiceDatabase
from shared.peer_keys import write_peer_keys, write_whole
from shared.tls.issuing import Authority, write_certificate

PEERS = ("vendor_credit", "customer_charge", "gateway", "scheduler")
FOLDERS = ("setup", "postgres", "redis", *PEERS)

PASSWORDS = {service: f"CHARGING_{service.upper()}_DB_PASSWORD" for service in SERVICES}
RANDOM = (
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
    "CHARGING_KEY_ENCRYPTION_SECRET",
    "CHARGING_WEBHOOK_ENCRYPTION_SECRET",
    *PASSWORDS.values(),
)

REDIS_HOSTS = {"": "broker", "CHARGING_CACHE_": "cache"}
"""Hosts in docker-compose.yml by the prefix of the variable that holds their URL."""

KEYS = "keys"
TLS = "tls"
PRIVATE, READABLE = 0o600, 0o644
"""The engines read their password as a user of their own; nobody else has their volume."""


def write_secrets(root: Path) -> None:
    """Make what is missing below `root`, whose folders exist. Running it again changes nothing, also after it was killed half-way."""
    known = _kept(root / "setup")
    admin_url = f"postgresql://postgres:{known['POSTGRES_PASSWORD']}@postgres:5432/charging"
    urls = {
        f"CHARGING_{service.upper()}_DATABASE_URL": ServiceDatabase(service).runtime_url(admin_url, known[PASSWORDS[service]])
        for service in SERVICES
    }
    redis = {f"{name}REDIS_URL": f"redis://:{known['REDIS_PASSWORD']}@{host}:6379/0" for name, host in REDIS_HOSTS.items()}
    own = {
        "gateway": {"CHARGING_KEY_ENCRYPTION_SECRET": known["CHARGING_KEY_ENCRYPTION_SECRET"]},
        "customer_charge": {"CHARGING_WEBHOOK_ENCRYPTION_SECRET": known["CHARGING_WEBHOOK_ENCRYPTION_SECRET"]},
    }

    _write(root / "setup", {"DATABASE_URL": admin_url, **urls, **redis})
    _write(root / "postgres", {"POSTGRES_PASSWORD": known["POSTGRES_PASSWORD"]}, READABLE)
    _write(root / "redis", {"redis.conf": f"requirepass {known['REDIS_PASSWORD']}\n"}, READABLE)
    for service in SERVICES:
        name = f"CHARGING_{service.upper()}_DATABASE_URL"
        _write(root / service, {name: urls[name], **redis, **own.get(service, {})})
    _write(root / "scheduler", {**urls, **redis, **own["customer_charge"]})
    _share_keys(root)
    _issue_certificates(root, utc_now())


def _kept(folder: Path) -> dict[str, str]:
    """Return the random secrets in the folder, after making those it lacks."""
    for name in RANDOM:
        if not (folder / name).exists():
            # URL-safe, since most of them become part of a URL.
            write_whole(folder / name, secrets.token_urlsafe(32).encode(), PRIVATE)
    return {name: (folder / name).read_text() for name in RANDOM}


def _write(folder: Path, values: Mapping[str, str], mode: int = PRIVATE) -> None:
    for name, value in values.items():
        write_whole(folder / name, value.encode(), mode)


def _share_keys(root: Path) -> None:
    for peer in PEERS:
        write_peer_keys(root / peer / KEYS, [peer])
    for peer in PEERS:
        public = root / peer / KEYS / f"{peer}.public.pem"
        for other in PEERS:
            write_whole(root / other / KEYS / public.name, public.read_bytes(), READABLE)


def _issue_certificates(root: Path, now: datetime) -> None:
    (root / "setup" / TLS).mkdir(exist_ok=True, mode=0o700)
    authority = Authority.kept_in(root / "setup" / TLS, now)
    for peer in PEERS:
        folder = root / peer / TLS
        folder.mkdir(exist_ok=True)
        write_certificate(folder, peer, authority, now)
        write_whole(folder / "ca.pem", authority.pem, READABLE)


def main() -> int:
    """Write the secrets below the directory given on the command line."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and its one argument
        print("usage: python -m shared.container_secrets DIRECTORY", file=sys.stderr)
        return 2
    write_secrets(Path(sys.argv[1]))
    print("secrets ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
