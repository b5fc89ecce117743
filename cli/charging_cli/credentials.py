"""Tokens of earlier sign-ins, by address, in a file that only its owner can read."""

import json
import os
from pathlib import Path

import click

FILE = "credentials.json"


def credentials_path() -> Path:
    """Return where the tokens are kept; CHARGING_CONFIG_DIR names another folder than the usual one of the system."""
    return Path(os.environ.get("CHARGING_CONFIG_DIR") or click.get_app_dir("charging")) / FILE


def saved_token(url: str) -> str:
    """Return the token kept for an address, empty without one."""
    return _read().get(url, "")


def save_token(url: str, token: str) -> Path:
    """Keep the token for an address; return where."""
    return _write({**_read(), url: token})


def forget_token(url: str) -> None:
    """Forget the token of an address."""
    _write({known: token for known, token in _read().items() if known != url})


def _read() -> dict[str, str]:
    try:
        content = json.loads(credentials_path().read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {str(url): str(token) for url, token in content.items()} if isinstance(content, dict) else {}


def _write(tokens: dict[str, str]) -> Path:
    path = credentials_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{FILE}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(tokens, indent=2))
    draft.replace(path)
    return path
