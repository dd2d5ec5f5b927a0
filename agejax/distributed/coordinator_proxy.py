"""A relay between this process and process 0, which hides its disconnection from JAX.

When its connection to process 0 breaks, JAX immediately aborts a process with a long stack trace.
Behind the relay the connection only becomes silent, and the watchdog has time to report it.
"""

import contextlib
import socket
import threading
import time


class Relay:
    """Listens on this machine and relays connections to an address, in both directions."""

    def __init__(self, address: str, timeout: float):
        """Starts listening; connecting to the address times out after `timeout` seconds."""
        host, _, port = address.rpartition(":")
        self._there = (host.strip("[]"), int(port))
        self._timeout = timeout
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.received = 0  # bytes received from the address
        self.broken = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        until = time.monotonic() + self._timeout
        while True:
            try:
                far = socket.create_connection(self._there, timeout=10)
                break
            except OSError:
                if time.monotonic() > until:
                    near.close()
                    return
                time.sleep(0.2)
        far.settimeout(None)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        left = threading.Event()
        threading.Thread(target=self._send, args=(near, far, left), daemon=True).start()
        while data := _received(far):
            self.received += len(data)
            with contextlib.suppress(OSError):
                near.sendall(data)
        self.broken |= not left.is_set()  # `near` then stays open

    def _send(self, near: socket.socket, far: socket.socket, left: threading.Event) -> None:
        while data := _received(near):
            with contextlib.suppress(OSError):
                far.sendall(data)
        left.set()  # JAX itself closed the connection, to end or to reconnect
        with contextlib.suppress(OSError):
            far.shutdown(socket.SHUT_RDWR)  # also wakes the thread that reads from it
        far.close()
        near.close()


def _received(end: socket.socket) -> bytes:
    """The next bytes; empty if the connection is closed."""
    try:
        return end.recv(1 << 16)
    except OSError:
        return b""
