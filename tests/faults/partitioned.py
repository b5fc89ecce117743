"""A whole run in a network namespace of its own, where the network can be taken from under everybody: `python -m tests.faults.partitioned`.

Arguments: an empty folder and a seed. Exits with EXIT_NOT_ALLOWED where namespaces are forbidden.
"""

import ctypes
import fcntl
import socket
import struct
import sys
from pathlib import Path

from tests.faults.run import play
from tests.faults.strikes import last
from tests.system.office import Office
from tests.system.stacks import new_stack

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
EXIT_NOT_ALLOWED = 97
APART_SECONDS = 3.0
"""Longer than every call of the hot path waits, and than TCP's first retransmissions."""


def set_loopback(*, up: bool) -> None:
    """Bring the loopback interface up, or take it down: nothing passes, no connection is told, and new ones find no way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP if up else flags & ~IFF_UP))


def part() -> None:
    """Part everybody from everybody for a while."""
    set_loopback(up=False)
    last(APART_SECONDS)
    set_loopback(up=True)


def main() -> int:
    """Play one run with two partitions."""
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    if ctypes.CDLL(None).unshare(CLONE_NEWNET):
        return EXIT_NOT_ALLOWED
    set_loopback(up=True)
    with new_stack(folder / "apart") as stack:
        office = Office(stack)
        play(stack, office, part, seed=seed, history=folder / f"apart-{seed}.jsonl", charges=200, strikes=2)
        office.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
