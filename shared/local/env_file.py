"""Files of `KEY=value` lines that Python, `sh` and Docker Compose read alike, for their owner only."""

import os
import secrets
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path


def write_env_file(path: Path, values: Mapping[str, str]) -> None:
    """Replace the file by one with these values, in one step, so that no reader sees half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items()))
    draft.replace(path)


def read_env_file(path: Path) -> dict[str, str]:
    """Return the values in the file; none when there is no file."""
    if not path.exists():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}


def keep_secrets(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the secrets in the file, after adding a random one for each name that is missing."""
    known = read_env_file(path)
    missing = [name for name in names if name not in known]
    if missing:
        known |= {name: secrets.token_urlsafe(32) for name in missing}
        write_env_file(path, known)
    return known
