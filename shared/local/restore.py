"""`make restore`: bring the database of the state folder back to a moment, from a backup and the archived log, and audit it.

    make restore TARGET_TIME='2026-01-31 18:00:00+00' BACKUP_DIR=/backups

TARGET_TIME has a time zone; without it everything is restored that the log holds. Nothing may run in the state folder. What was there is
moved aside, not removed, and its own log is used too, so that a stop without a disaster loses nothing. Afterwards all books are checked
with no worker running, so that nothing moves before somebody has looked. Exits 0 when they are whole.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from shared.database_cells import CellsChanged
from shared.local.base_backup import find_damage
from shared.local.binaries import EngineMissing
from shared.local.choices import SECRET_NAMES, BadChoice, Choices, choose
from shared.local.confine import NOBODY
from shared.local.engine import EngineFailed
from shared.local.env_file import keep_secrets, read_env_file
from shared.local.folder_lock import FolderInUse, FolderLock
from shared.local.ports import free_port
from shared.local.postgres import DURABLE_SETTINGS, Postgres
from shared.local.processes import PROGRAMS
from shared.local.stack import Stack, StackFailed
from shared.local.state_folder import state_folder
from shared.local.supervision import ROOT, SupervisionFailed
from shared.local.wal_archive import BACKUP_DIR_SETTING, NoBackup, choose_backup, remember_origin, restore_command, secrets_beside

CELLS_SETTING = "CHARGING_CELLS"
"""What the stack of the folder was told goes for the restored one, unless something else is said."""

AUDIT_PROGRAMS = tuple(program for program in PROGRAMS if program.name in {"vendor_credit", "customer_charge", "gateway"})
"""Who the audit asks, and no worker and no scheduler: nothing is settled, sent or expired."""

FAILURES = (
    BadChoice,
    CellsChanged,
    EngineFailed,
    EngineMissing,
    FolderInUse,
    NoBackup,
    OSError,
    StackFailed,
    SupervisionFailed,
    psycopg.Error,
)


class RecoveringPostgres(Postgres):
    """A server that is ready when it has read all of the log it is to read, and has left recovery."""

    start_seconds_max = 24 * 3600.0

    def _complaint(self, log_start: int) -> str:
        """Return why recovery ended; the last lines are about the shutdown that follows."""
        with self.log.open("rb") as log:
            log.seek(log_start)
            reasons = [line for line in log.read().decode(errors="replace").splitlines() if " FATAL: " in line]
        return reasons[0] if reasons else super()._complaint(log_start)


def restore_data(state: Path, backups: Path, target: datetime | None, settings: Mapping[str, str] = DURABLE_SETTINGS) -> Path:
    """Put the database of a state folder back to `target`, None for all there is; return the copy it was made from.

    Nothing of the folder changes before the restored database is whole; then what was there is kept under a name with `replaced` and the
    present time. Raises NoBackup when no copy is old enough or the one that is was damaged since, and EngineFailed when the log does not
    reach the target.
    """
    copy = choose_backup(backups, target)
    damage = find_damage(copy)
    if damage:
        raise NoBackup("; ".join(damage[:3]))
    data, draft = state / "postgres", state / "postgres.restoring"
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(copy, draft)
    recover(draft, restore_command(backups, data if data.exists() else None), target, settings, state / "logs")
    remember_origin(draft, backups)
    kept = secrets_beside(copy)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for path, successor in ((data, draft), (state / "secrets", kept)):
        if path.exists() and successor.exists():
            path.rename(path.with_name(f"{path.name}.replaced-{stamp}"))
    draft.rename(data)
    if kept.exists():
        shutil.copy(kept, state / "secrets")
    return copy


def recover(data: Path, fetch: str, target: datetime | None, settings: Mapping[str, str], logs: Path) -> None:
    """Let a server read the log into a copy, up to `target`, and stop it; `fetch` is its restore_command. Raises EngineFailed."""
    recovery = {
        **settings,
        "archive_mode": "off",
        # With readers let in a server calls itself ready in the middle of recovery.
        "hot_standby": "off",
        "restore_command": fetch,
        "recovery_target_action": "promote",
        **({"recovery_target_time": target.isoformat()} if target else {}),
    }
    (data / "recovery.signal").touch(mode=0o600)
    logs.mkdir(exist_ok=True, mode=0o700)
    # No password is asked for here; the copy has its own.
    server = RecoveringPostgres(data, free_port(), password="", log=logs / "restore.log", settings=recovery)
    if server.mode == "nobody":
        for path in (data, *data.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    server.start()
    server.stop()


def audit_restored(choices: Choices) -> int:
    """Start what the audit needs, run it, and stop everything again; return its exit status."""
    with Stack(choices, programs=AUDIT_PROGRAMS) as stack:
        foreign = {"DATABASE_URL", "CHARGING_VENDOR_CREDIT_DATABASE_URL", "CHARGING_GATEWAY_DATABASE_URL"}
        environment = {name: value for name, value in stack.process_environment.items() if name not in foreign}
        command = [sys.executable, "-m", "services.customer_charge.audit"]
        return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode


def read_target(text: str) -> datetime | None:
    """Return the moment that a text names, None of an empty one. Raises NoBackup for one that is no time, or has no zone."""
    if not text:
        return None
    try:
        target = datetime.fromisoformat(text)
    except ValueError:
        raise NoBackup(f"TARGET_TIME={text} is no time: give one like 2026-01-31 18:00:00+00:00") from None
    if target.tzinfo is None:
        raise NoBackup(f"TARGET_TIME={text} has no zone: give one like 2026-01-31 18:00:00+00:00")
    return target


def main() -> int:
    """Restore and audit. Returns 0 when the books are whole, 1 otherwise, with the reason."""
    state = state_folder()
    try:
        target = read_target(os.environ.get("TARGET_TIME", ""))
        backups = Path(os.environ.get("BACKUP_DIR") or os.environ.get(BACKUP_DIR_SETTING) or state / "backups").resolve()
        lock = FolderLock(state).acquire()
        print(f"restoring {state} to {target.isoformat() if target else 'the end of the log'}; this may take long", flush=True)
        copy = restore_data(state, backups, target)
        lock.release()
        print(f"restored from {copy}; checking the books", flush=True)
        known = read_env_file(state / "env")
        environment = {name: known[name] for name in (CELLS_SETTING,) if name in known}
        environment |= {name: value for name, value in os.environ.items() if name not in {BACKUP_DIR_SETTING, "DATABASE_URL"}}
        status = audit_restored(choose(state, environment, keep_secrets(state / "secrets", SECRET_NAMES), known_ports=False))
    except FAILURES as error:
        print(f"not restored: {error}", file=sys.stderr)
        return 1
    print("look at it, then `make run`; its log goes to a new CHARGING_BACKUP_DIR, where a backup is due", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
