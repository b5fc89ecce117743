"""What is archived stays as it was, and a restore takes the copy that serves it."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.local.restore import read_target
from shared.local.wal_archive import (
    NoBackup,
    archive_settings,
    backup_name,
    base_folder,
    choose_backup,
    refuse_origin,
    remember_origin,
    restore_command,
    wal_folder,
)

NOON = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)


def run(command: str, name: str, path: Path) -> int:
    """Run a server's command as the server does: %f is a segment's name, %p its path, %% a per cent sign."""
    text = command.replace("%%", "\0").replace("%f", name).replace("%p", str(path)).replace("\0", "%")
    return subprocess.run(["/bin/sh", "-c", text], check=False, cwd=path.parent).returncode  # noqa: S603 - our own command


def test_a_segment_is_archived_once_and_never_replaced(tmp_path: Path) -> None:
    """Again with the same content is well, with another it fails; the folder's name may hold anything."""
    backups, segment = tmp_path / "it's 100% mine", tmp_path / "segment"
    command = archive_settings(backups)["archive_command"]
    segment.write_bytes(b"log")
    assert run(command, "0001", segment) == 0
    assert run(command, "0001", segment) == 0
    segment.write_bytes(b"another log")
    assert run(command, "0001", segment) != 0
    assert [(path.name, path.read_bytes()) for path in wal_folder(backups).iterdir()] == [("0001", b"log")]


def test_a_segment_comes_from_the_archive_or_from_what_is_left(tmp_path: Path) -> None:
    """The archive first; one that neither has is the end of the log."""
    backups, remains, wanted = tmp_path / "backups", tmp_path / "replaced", tmp_path / "wanted"
    for folder, names in ((wal_folder(backups), ["1"]), (remains / "pg_wal", ["1", "2"])):
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text(f"{name} of {folder.name}")
    command = restore_command(backups, remains)
    found = {name: wanted.read_text() for name in ("1", "2") if run(command, name, wanted) == 0}
    assert found == {"1": "1 of wal", "2": "2 of pg_wal"}
    assert run(command, "3", wanted) != 0


def test_the_newest_copy_that_was_complete_by_the_target_is_taken(tmp_path: Path) -> None:
    """An unfinished one never; with none old enough the message tells what there is."""
    with pytest.raises(NoBackup, match="there is none"):
        choose_backup(tmp_path, None)
    for hours in (0, 1, 2):
        (base_folder(tmp_path) / backup_name(NOON + timedelta(hours=hours))).mkdir(parents=True)
    (base_folder(tmp_path) / "draft-9").mkdir()
    (base_folder(tmp_path) / f"{backup_name(NOON)}.secrets").touch()
    assert choose_backup(tmp_path, None).name == backup_name(NOON + timedelta(hours=2))
    assert choose_backup(tmp_path, NOON + timedelta(hours=1)).name == backup_name(NOON + timedelta(hours=1))
    with pytest.raises(NoBackup, match="the oldest was complete at 2026-01-31T12:00:00"):
        choose_backup(tmp_path, NOON - timedelta(milliseconds=1))


def test_a_restored_server_does_not_archive_where_it_came_from(tmp_path: Path) -> None:
    """Anywhere else it may."""
    data = tmp_path / "postgres"
    data.mkdir()
    refuse_origin(data, tmp_path / "backups")
    remember_origin(data, tmp_path / "backups")
    refuse_origin(data, tmp_path / "others")
    with pytest.raises(NoBackup, match="to another folder"):
        refuse_origin(data, tmp_path / "backups")


@pytest.mark.parametrize(("text", "what"), [("yesterday", "is no time"), ("2026-01-31 18:00:00", "has no zone")])
def test_a_target_that_is_no_moment_is_refused(text: str, what: str) -> None:
    """A wrong guess at the zone would restore another hour."""
    with pytest.raises(NoBackup, match=what):
        read_target(text)
    assert read_target("2026-01-31 18:00:00+01:00") == datetime(2026, 1, 31, 17, tzinfo=UTC)
