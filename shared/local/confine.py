"""Become the given program, tied to the life of the parent; run as a script by path, with no import of ours.

    python -I -S confine.py MODE SIGNAL PARENT_PID PROGRAM [ARGUMENT...]

SIGNAL (a number) reaches the program when the thread that started it ends, however it ends. PARENT_PID is that of the starter, or 0 where
it is not known. MODE says who the program runs as:

- `plain`: whoever we are;
- `userns`: root of a new user namespace is mapped to nobody, so that PostgreSQL, which refuses uid 0, runs on files that root owns;
- `nobody`: uid 65534. It keeps the one capability to pass through folders it could not enter otherwise, such as a 0700 home.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

NOBODY = 65534
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_SECUREBITS, PR_CAP_AMBIENT = 1, 8, 28, 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522
EXIT_NOT_ALLOWED = 97


def main() -> None:
    """Take on the mode, tie the life to the parent, and execute the program."""
    mode, death_signal, parent, *command = sys.argv[1:]
    if mode == "userns":
        enter_user_namespace()
    elif mode == "nobody":
        become_nobody()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(death_signal))
        if int(parent) not in {0, os.getppid()}:
            # The parent died before the line above: no signal will come any more.
            os.kill(os.getpid(), signal.SIGKILL)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


def enter_user_namespace() -> None:
    """Map the present user to nobody in a new user namespace; exit with EXIT_NOT_ALLOWED where that is forbidden."""
    uid, gid = os.geteuid(), os.getegid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER):
        sys.exit(EXIT_NOT_ALLOWED)
    for name, line in (("setgroups", "deny"), ("uid_map", f"{NOBODY} {uid} 1"), ("gid_map", f"{NOBODY} {gid} 1")):
        Path("/proc/self", name).write_text(line)


def become_nobody() -> None:
    """Drop to uid 65534, keeping CAP_DAC_OVERRIDE where we have it: as an ambient capability it survives the execution."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    # Else access(2), which initdb asks before it executes anything, counts no capability of a user that is not root.
    libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    bit = 1 << CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    # Effective, permitted and inheritable of the low 32 capabilities, then of the high ones.
    if libc.capset(header, (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)) == 0:
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)
    elif libc.capset(header, (ctypes.c_uint32 * 6)()) != 0:
        sys.exit(EXIT_NOT_ALLOWED)


if __name__ == "__main__":
    main()
