"""The relay to process 0: it passes bytes on, and keeps quiet where that one is gone."""

import contextlib
import socket
import time

import pytest

from agejax.distributed.coordinator_proxy import Relay


@pytest.fixture
def connection():
    """A relay to a server that starts late, JAX's end of it, and the server's."""
    with contextlib.ExitStack() as stack:
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = free.getsockname()
        relay = Relay(f"{address[0]}:{address[1]}", timeout=20)
        host, port = relay.address.split(":")
        near = stack.enter_context(socket.create_connection((host, int(port)), timeout=5))
        time.sleep(0.3)
        server = stack.enter_context(socket.create_server(address))
        far, _ = server.accept()
        far.settimeout(5)
        yield relay, near, stack.enter_context(far)


def until(condition):
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_bytes_go_both_ways(connection):
    relay, near, far = connection
    near.sendall(b"question")
    assert far.recv(100) == b"question"
    far.sendall(b"answer")
    assert near.recv(100) == b"answer"
    assert relay.received == 6
    assert not relay.broken


def test_where_process_0_goes_the_connection_falls_silent(connection):
    relay, near, far = connection
    far.close()
    assert until(lambda: relay.broken)
    near.settimeout(0.2)
    with pytest.raises(TimeoutError):  # it is not closed
        near.recv(1)


def test_where_jax_itself_goes_nothing_is_broken(connection):
    relay, near, far = connection
    near.close()
    assert far.recv(1) == b""
    time.sleep(0.1)
    assert not relay.broken
