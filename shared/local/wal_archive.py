"""Where backups lie and how PostgreSQL's log gets there, so that any moment since the oldest backup can be restored.

A backup folder, CHARGING_BACKUP_DIR, holds `base/<time>/`, whole copies named by the UTC time at which they were complete, `wal/`, the log
in segments, and beside each copy the secrets that its data is of no use without. It is as secret as the state folder.
"""

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

BACKUP_DIR_SETTING = "CHARGING_BACKUP_DIR"
ARCHIVE_SECONDS = 60
"""A segment that is not full is archived after so long: with the machine gone, this much is missing from the archive at most."""

ORIGIN_FILE = "charging_restored_from"
NAME_FORMAT = "%Y%m%dT%H%M%S.%fZ"


class NoBackup(Exception):
    """A backup folder does not serve what is asked of it; the message says why."""


def base_folder(backups: Path) -> Path:
    """Return the folder of whole copies."""
    return backups / "base"


def wal_folder(backups: Path) -> Path:
    """Return the folder of the log."""
    return backups / "wal"


def remember_origin(data: Path, backups: Path) -> None:
    """Note in a restored data folder where it came from."""
    (data / ORIGIN_FILE).write_text(str(backups.resolve()))


def refuse_origin(data: Path, backups: Path) -> None:
    """Refuse to archive a restored server's log where its backup lies: two histories in one archive are none. Raises NoBackup."""
    origin = data / ORIGIN_FILE
    if origin.exists() and Path(origin.read_text()) == backups.resolve():
        raise NoBackup(f"{data} was restored from {backups}: set {BACKUP_DIR_SETTING} to another folder, and make a backup there")


def archive_settings(backups: Path) -> Mapping[str, str]:
    """Return the server settings that keep the log in a backup folder.

    A segment appears under its name when all of it is on disk, and is never replaced: one that is there already, after a crash in
    between, must be the same.
    """
    folder = shlex.quote(str(wal_folder(backups))).replace("%", "%%")
    file = f"{folder}/%f"
    copy = f"cp %p {file}.part && sync {file}.part && mv {file}.part {file}"
    return {
        "archive_mode": "on",
        "archive_command": f"mkdir -p {folder} && if test -f {file}; then cmp -s %p {file}; else {copy}; fi",
        "archive_timeout": f"{ARCHIVE_SECONDS}s",
    }


def restore_command(backups: Path, remains: Path | None) -> str:
    """Return the command that fetches a segment: from the archive, else from what is left of the server that is replaced."""
    sources = [wal_folder(backups), *([remains / "pg_wal"] if remains is not None else [])]
    return " || ".join(f"cp {shlex.quote(str(source)).replace('%', '%%')}/%f %p 2>/dev/null" for source in sources)


def backup_name(complete_at: datetime) -> str:
    """Return the name of a copy that was complete at this time."""
    return complete_at.astimezone(UTC).strftime(NAME_FORMAT)


def secrets_beside(copy: Path) -> Path:
    """Return the file of the secrets that belong to a copy."""
    return copy.with_name(f"{copy.name}.secrets")


def choose_backup(backups: Path, target: datetime | None) -> Path:
    """Return the newest copy that was complete by `target` (None: the newest at all). Raises NoBackup."""
    found = {datetime.strptime(path.name, NAME_FORMAT).replace(tzinfo=UTC): path for path in base_folder(backups).glob("[0-9]*Z")}
    fitting = [time for time in found if target is None or time <= target]
    if not fitting:
        oldest = f"the oldest was complete at {min(found).isoformat()}" if found else "there is none"
        raise NoBackup(f"no backup in {backups} was complete by {target.isoformat() if target else 'now'}: {oldest}")
    return found[max(fitting)]
