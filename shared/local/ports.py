"""Ports on the loopback address."""

import secrets
import socket
import time

LOOPBACK = "127.0.0.1"


PICKED_FROM = range(10_240, 32_768)
"""Below the ports that Linux gives to outgoing connections: one of those could be taken by any client before a server binds it."""

POLL_SECONDS = 0.2

_given: set[int] = set()


def free_port() -> int:
    """Return a port that nothing listens on now, and that this process was not given before."""
    while True:
        port = secrets.choice(PICKED_FROM)
        if port not in _given and port_free(port):
            _given.add(port)
            return port


def port_free(port: int) -> bool:
    """Return whether a listener could be opened on the port."""
    with socket.socket() as probe:
        # As servers do: connections of an earlier listener that linger in TIME_WAIT are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def listened_on(port: int) -> bool:
    """Return whether some program accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def freed(port: int, seconds: float) -> bool:
    """Wait up to so many seconds for a port that nobody listens on; return whether it is free.

    The documented ports lie among those that Linux gives to outgoing connections: any client may hold one for as long as it is connected,
    and for a minute after.
    """
    until = time.monotonic() + seconds
    while not port_free(port):
        if listened_on(port) or time.monotonic() >= until:
            return False
        time.sleep(POLL_SECONDS)
    return True


def port_near(preferred: int) -> int:
    """Return the preferred port when it is free, else one the system picks: for servers that nobody has to find by number."""
    return preferred if port_free(preferred) else free_port()


def free_range(first: int, count: int) -> int:
    """Return the first of `count` free ports in a row, at `first` or a little above it; 0 when there are none."""
    for start in range(first, first + 1000, 50):
        if all(port_free(port) for port in range(start, start + count)):
            return start
    return 0
