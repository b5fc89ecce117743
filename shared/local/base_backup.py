"""A copy of a running PostgreSQL's files, from which another server can start: as a standby, or for a restore."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from shared.local.confine import NOBODY
from shared.local.engine import EngineFailed, Mode, confined

BACKUP_SECONDS_MAX = 3600.0


def take_base_backup(programs: Path, mode: Mode, source_url: str, folder: Path, *options: str) -> None:
    """Copy the server at `source_url` into a new folder by pg_basebackup, with the log that makes the copy whole. Raises EngineFailed.

    The role must be allowed to replicate. `options` are pg_basebackup's own. The password travels in the environment, which other users
    cannot read, unlike a command line. A folder that could not be filled is removed.
    """
    folder.mkdir(parents=True, mode=0o700)
    if mode == "nobody":
        os.chown(folder, NOBODY, NOBODY)
    url, password = _without_password(source_url)
    command = confined(
        mode,
        signal.SIGKILL,
        programs / "pg_basebackup",
        "--dbname",
        url,
        "--pgdata",
        folder,
        "--checkpoint=fast",
        "--no-password",
        *options,
    )
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "PGPASSWORD": password}
    outcome = subprocess.run(command, capture_output=True, text=True, cwd="/", env=environment, timeout=BACKUP_SECONDS_MAX, check=False)
    if outcome.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        raise EngineFailed(f"no base backup in {folder}: {' | '.join(outcome.stderr.strip().splitlines()[-3:])}")


def find_damage(folder: Path) -> list[str]:
    """Hold a copy made with `--manifest-checksums=SHA256` against the manifest that the server sent along; return what is wrong, by file.

    The log that came with the copy is in no manifest: PostgreSQL checks its records when it reads them.
    """
    manifest = json.loads((folder / "backup_manifest").read_text())
    damage = []
    for entry in manifest["Files"]:
        path = folder / (entry["Path"] if "Path" in entry else bytes.fromhex(entry["Encoded-Path"]).decode(errors="surrogateescape"))
        if not path.is_file():
            damage.append(f"{path} is missing")
            continue
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != entry["Checksum"]:
                damage.append(f"{path} is not what the server sent")
    return damage


def _without_password(url: str) -> tuple[str, str]:
    """Return a connection string without its password, and the password."""
    parts = conninfo_to_dict(url)
    password = str(parts.pop("password", "") or "")
    return make_conninfo("", **parts), password
