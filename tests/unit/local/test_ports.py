"""Ports that are free, taken, or held for a moment."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from shared.local.ports import LOOPBACK, free_port, freed, listened_on, port_free

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that ends a connection at once, without TIME_WAIT."""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Give a socket that listens on a free port."""
    with closing(socket.create_server((LOOPBACK, free_port()))) as server:
        yield server


def outgoing(listener: socket.socket) -> socket.socket:
    """Return a connection to the listener that holds a port which nobody listens on."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.bind((LOOPBACK, free_port()))
    client.connect(listener.getsockname())
    return client


def test_a_port_with_a_listener_is_taken_at_once(listener: socket.socket) -> None:
    """There is nothing to wait for."""
    port = listener.getsockname()[1]
    started = time.monotonic()

    assert not port_free(port)
    assert listened_on(port)
    assert not freed(port, 30)
    assert time.monotonic() - started < 10


def test_a_port_of_a_client_is_waited_for(listener: socket.socket) -> None:
    """It is free once the client has left."""
    client = outgoing(listener)
    port = client.getsockname()[1]
    assert not port_free(port)
    assert not listened_on(port)
    leaving = threading.Timer(0.5, client.close)
    leaving.start()

    assert freed(port, 30)
    leaving.join()


def test_a_client_that_stays_is_not_waited_for_longer_than_told(listener: socket.socket) -> None:
    """Whoever starts a stack must hear of it some time."""
    with closing(outgoing(listener)) as client:
        assert not freed(client.getsockname()[1], 0.3)
