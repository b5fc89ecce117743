"""The disk under PostgreSQL may be full: what is accepted is durable all the same, and what is not was refused for now."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.local.stack import Stack
from tests.faults.run import play
from tests.faults.seeds import SEEDS
from tests.faults.strikes import last
from tests.support import tool_missing
from tests.system.office import Office
from tests.system.stacks import new_stack

DISK_BYTES = 320 * 1024 * 1024
FULL_SECONDS = 1.5
LIBC = ctypes.CDLL(None, use_errno=True)
MNT_DETACH = 2


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a file system of DISK_BYTES in a new folder; where that is not permitted, skip the test, or in CI fail it."""
    folder.mkdir(parents=True, mode=0o700)
    if LIBC.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={DISK_BYTES},mode=0700".encode()):
        tool_missing(f"permission to mount ({os.strerror(ctypes.get_errno())})")
    try:
        yield
    finally:
        LIBC.umount2(os.fsencode(folder), MNT_DETACH)


def fill(stack: Stack, folder: Path) -> None:
    """Leave no byte free for a while. PostgreSQL may stop itself for it, if it cannot write its log; then it is started again."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1024 * 1024))
        except OSError:
            pass
        last(FULL_SECONDS)
    filler.unlink()
    if not stack.engines["postgres"].running:
        stack.engines["postgres"].start()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_full_disk_breaks_no_promise(server_folder: Path, seed: int) -> None:
    """Full twice under load, each time for longer than a checkpoint and many commits need."""
    stack = new_stack(server_folder / f"tiny-{seed}")
    disk = server_folder / f"disk-{seed}"
    stack.engines["postgres"].data = disk / "data"
    with small_disk(disk), stack:
        office = Office(stack)
        history = server_folder / f"disk-{seed}.jsonl"
        play(stack, office, lambda: fill(stack, disk), seed=seed, history=history, charges=250, strikes=2)
        office.close()
    assert "No space left on device" in stack.engines["postgres"].log.read_text()
