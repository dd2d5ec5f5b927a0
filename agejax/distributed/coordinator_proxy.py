"""A relay between this process and process 0, behind which JAX does not see that one go.

JAX aborts a process, with a page of its stack, in the moment that its connection to process 0
breaks. Behind the relay the connection only falls silent, and the watchdog has time for a line.
"""

import contextlib
import socket
import threading
import time


class Relay:
    """Listens on this machine, and passes on what comes to an address, and back."""

    def __init__(self, address: str, timeout: float):
        """Starts listening; each connection is tried for `timeout` seconds."""
        host, _, port = address.rpartition(":")
        self._there = (host.strip("[]"), int(port))
        self._timeout = timeout
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.received = 0  # bytes from there
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
        self.broken |= not left.is_set()  # and then `near` stays open

    def _send(self, near: socket.socket, far: socket.socket, left: threading.Event) -> None:
        while data := _received(near):
            with contextlib.suppress(OSError):
                far.sendall(data)
        left.set()  # JAX itself has closed the connection, to end or to try another one
        with contextlib.suppress(OSError):
            far.shutdown(socket.SHUT_RDWR)  # also wakes who waits for what comes from there
        far.close()
        near.close()


def _received(end: socket.socket) -> bytes:
    """What comes next; nothing where the connection is over."""
    try:
        return end.recv(1 << 16)
    except OSError:
        return b""
