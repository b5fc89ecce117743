"""`make backup`: a whole copy of the running stack's database, from which any later moment of its archived log can be restored.

Takes the stack that runs in the state folder. The copy goes to BACKUP_DIR, else to the CHARGING_BACKUP_DIR that the stack runs with, else
to `backups` in the state folder.
"""

import os
import shutil
import sys
import uuid
from pathlib import Path

import psycopg

from shared.local.base_backup import find_damage, take_base_backup
from shared.local.binaries import EngineMissing, postgres_programs
from shared.local.engine import EngineFailed
from shared.local.env_file import read_env_file
from shared.local.postgres import choose_mode
from shared.local.state_folder import state_folder
from shared.local.wal_archive import BACKUP_DIR_SETTING, backup_name, base_folder, secrets_beside

CLOCK_SQL = "SELECT clock_timestamp(), current_setting('archive_mode') <> 'off'"


def take_backup(admin_url: str, secrets: Path, backups: Path) -> tuple[Path, bool]:
    """Copy the server that `admin_url` names into the backup folder and check the copy file by file.

    Returns the copy's folder, and whether the server archives its log; if not, the copy can be restored as it is and no later moment.
    What is not whole never gets a name that a restore would take. Raises EngineFailed, EngineMissing and psycopg.Error.
    """
    base_folder(backups).mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = base_folder(backups) / f"draft-{uuid.uuid4()}"
    take_base_backup(postgres_programs(), choose_mode(), admin_url, draft, "--wal-method=stream", "--manifest-checksums=SHA256")
    damage = find_damage(draft)
    if damage:
        shutil.rmtree(draft)
        raise EngineFailed("; ".join(damage[:3]))
    with psycopg.connect(admin_url, autocommit=True) as connection:
        row = connection.execute(CLOCK_SQL).fetchone()
    assert row is not None  # noqa: S101 - a SELECT of functions has one row
    complete_at, archiving = row
    folder = base_folder(backups) / backup_name(complete_at)
    if secrets.exists():
        kept = secrets_beside(folder)
        kept.touch(mode=0o600)
        kept.write_text(secrets.read_text())
    draft.rename(folder)
    return folder, archiving


def main() -> int:
    """Back up the stack that runs. Returns 0, or 1 with one line of reason."""
    state = state_folder()
    known = read_env_file(state / "env")
    admin_url = os.environ.get("DATABASE_URL") or known.get("DATABASE_URL", "")
    if not admin_url:
        print(f"nothing runs in {state}: start it with `make run`, or set DATABASE_URL", file=sys.stderr)
        return 1
    backups = Path(
        os.environ.get("BACKUP_DIR") or os.environ.get(BACKUP_DIR_SETTING) or known.get(BACKUP_DIR_SETTING) or state / "backups"
    ).resolve()
    try:
        folder, archiving = take_backup(admin_url, state / "secrets", backups)
    except (EngineFailed, EngineMissing, OSError, psycopg.Error) as error:
        print(f"no backup was made: {error}", file=sys.stderr)
        return 1
    print(f"backup complete and checked: {folder}")
    if not archiving:
        print(
            f"the server does not archive its log: only this moment can be restored. `{BACKUP_DIR_SETTING}=... make run` does",
            file=sys.stderr,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
