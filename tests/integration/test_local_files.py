"""Files of the state folder: settings, secrets, keys, the lock and the logs."""

import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from shared.local.env_file import keep_secrets, read_env_file, write_env_file
from shared.local.folder_lock import FolderInUse, FolderLock, started_at
from shared.local.follow_logs import LogFollower
from shared.peer_keys import write_peer_keys


def mode_of(path: Path) -> int:
    """Return the permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_an_env_file_reads_back_in_python_and_in_sh(tmp_path: Path) -> None:
    """Spaces, quotes and dollar signs survive both."""
    values = {"PLAIN": "a", "ODD": 'it\'s $HOME "and" `more` = #1', "EMPTY": ""}
    path = tmp_path / "env"

    write_env_file(path, values)

    assert read_env_file(path) == values
    assert mode_of(path) == 0o600
    shell = subprocess.run(["/bin/sh", "-c", f'. {path}; printf %s "$ODD"'], capture_output=True, text=True, check=True)  # noqa: S603
    assert shell.stdout == values["ODD"]


def test_secrets_are_made_once_and_added_to(tmp_path: Path) -> None:
    """What is there stays; what is missing is made; nobody else can read it."""
    path = tmp_path / "secrets"

    first = keep_secrets(path, ["A"])
    second = keep_secrets(path, ["A", "B"])

    assert second["A"] == first["A"] != second["B"]
    assert len(second["B"]) >= 32
    assert mode_of(path) == 0o600


def test_peer_keys_are_pairs_that_stay(tmp_path: Path) -> None:
    """The halves belong together, the private one is private, and a second call changes nothing."""
    assert write_peer_keys(tmp_path, ["one", "two"]) == ["one", "two"]
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "two.public.pem").unlink()

    assert write_peer_keys(tmp_path, ["one", "two"]) == []

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert mode_of(tmp_path / "one.private.pem") == 0o600
    private = load_pem_private_key(before["one.private.pem"], password=None)
    public = load_pem_public_key(before["one.public.pem"])
    assert isinstance(private, Ed25519PrivateKey)
    assert isinstance(public, Ed25519PublicKey)
    public.verify(private.sign(b"message"), b"message")


def test_a_folder_has_one_runner(tmp_path: Path) -> None:
    """The second is told who the first is; after the first is done the folder is free."""
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.acquire()

    with pytest.raises(FolderInUse, match=f"pid {os.getpid()}") as refusal:
        second.acquire()
    assert refusal.value.pid == os.getpid()
    assert second.held()

    first.release()
    assert not second.held()
    second.acquire().release()


def test_a_number_that_another_program_has_now_is_not_the_runner(tmp_path: Path) -> None:
    """The start time tells a runner from a program that merely got its number since."""
    lock = FolderLock(tmp_path)
    (tmp_path / "lock").write_text(f"{os.getpid()} 1\n")

    assert lock.runner() is None
    lock.release()


def test_what_inherited_the_lock_holds_it_after_its_runner(tmp_path: Path) -> None:
    """While the engines of a killed runner still end, a new run waits."""
    lock = FolderLock(tmp_path).acquire()
    engine = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock.fileno(),))
    lock.release()
    # As after a kill: the runner that the file names is no more.
    (tmp_path / "lock").write_text("1 1\n")

    successor = FolderLock(tmp_path)
    with pytest.raises(FolderInUse, match="still ending"):
        successor.acquire(wait_seconds=0.1)
    engine.communicate(b"\n")

    successor.acquire(wait_seconds=5).release()


def test_a_process_that_is_gone_has_no_start_time() -> None:
    """Neither has one that has ended and waits to be noticed."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)

    assert started_at(ended.pid) == "gone"
    ended.wait()
    assert started_at(ended.pid) == "gone"


def test_lines_are_shown_whole_and_after_their_name(tmp_path: Path) -> None:
    """A line in two parts is shown once it is complete; a replaced file is followed from its beginning."""
    out = io.StringIO()
    log = tmp_path / "a.log"
    follower = LogFollower({"a": log, "worker": tmp_path / "not_there"}, out)

    log.write_text("one\ntw")
    follower.poll()
    assert out.getvalue() == "a      | one\n"

    with log.open("a") as more:
        more.write("o\n")
    log.rename(tmp_path / "a.log.1")
    log.write_text("three\nunfinished")
    follower.poll()
    follower.close()
    assert out.getvalue() == "a      | one\na      | two\na      | three\na      | unfinished\n"
