"""How many files a process may have open: every connection is one."""

import resource
import sys

WANTED = 65_536
"""Enough for all the connections that a process takes, and far from what a kernel minds."""

SPARE = 200
"""Files beside clients' connections: those to PostgreSQL, Redis and other services, logs, libraries."""


def raise_open_files() -> None:
    """Raise the soft limit to what the hard one allows. Many shells still begin with 1,024, for programs that use select(2)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    # macOS says that its hard limit is infinite, and then refuses more than OPEN_MAX.
    if soft != resource.RLIM_INFINITY and soft < most and sys.platform != "darwin":
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def connections_possible(wanted: int) -> int:
    """Return how many connections may be open, `wanted` at most: beyond the limit of files accepting one would fail without a word."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - SPARE))
