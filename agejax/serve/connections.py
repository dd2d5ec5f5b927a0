"""uvicorn's HTTP/1.1 protocol with bounds on the time and memory of each connection."""

import asyncio
import sys
from collections.abc import Collection
from typing import Any

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from agejax.serve.limits import Limits

_READ = 16_384  # bytes read at a time, so that connections alternate in the event loop
_MOST_HEAD = 16_384  # bytes of headers, or of framing between two pieces of a body
_PIPELINE = 64  # requests that may be sent before the first is answered
_PIECES, _SMALL = 4_096, 16  # more than _PIECES pieces must average at least _SMALL bytes
_OTHER_FILES = 128  # files the process has open besides connections
_SLACK = 1.0  # seconds left for the application to send its own timeout error


class _Flow(FlowControl):
    """Stops reading while pipelined requests are pending."""

    def __init__(self, transport: Any, pipeline: Collection[Any]):
        super().__init__(transport)
        self._pipeline = pipeline

    def resume_reading(self) -> None:
        if not self._pipeline:
            super().resume_reading()


class Connection(HttpToolsProtocol, asyncio.BufferedProtocol):
    """A connection with a deadline of `seconds` to send a request and to read its response.

    The application has another `seconds` to answer a complete request. Slow clients do not extend
    the deadlines. If there are more than `most` connections, a new one replaces the one that has
    been waiting for a request the longest, among those of the address with the most connections.
    """

    seconds: float
    most: int
    waiting: dict[str, dict["Connection", None]]  # by address; the longest waiting first

    def connection_made(self, transport: Any) -> None:
        """Starts the timer."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self._running: Any = None  # the request being answered; `cycle` is the latest one
        self._address = self.client[0] if self.client else ""
        self._buffer = bytearray(_READ)
        self._begin()
        self._wait_within(self.seconds)
        self._timer = self.loop.call_at(self._deadline, self._check_deadline)
        if len(self.connections) > self.most:
            longest = max(self.waiting.values(), key=len)
            next(iter(longest))._abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Stops the timer."""
        self._timer.cancel()
        self._leave()
        self._disconnect()
        super().connection_lost(error)

    def get_buffer(self, sizehint: int) -> bytearray:
        """The buffer for the next bytes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Handles `nbytes` received bytes."""
        self.data_received(bytes(self._buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Parses received bytes and enforces the limits on headers and pieces."""
        self._head += len(data)
        super().data_received(data)
        tiny_pieces = self._pieces > _PIECES and self._size < _SMALL * self._pieces
        if (self._head > _MOST_HEAD or tiny_pieces) and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.send_400_response("The headers, or the data between chunks, are too long.")
            else:
                self._abort()

    def on_message_begin(self) -> None:
        """Handles the start of a request.

        Raises:
          ValueError: too many requests are pending; the parser answers 400.
        """
        if len(self.pipeline) >= _PIPELINE:
            raise ValueError(f"over {_PIPELINE} requests are pending in one connection")
        super().on_message_begin()
        self._begin()
        self._deadline = self.loop.time() + self.seconds + _SLACK

    def on_body(self, body: bytes) -> None:
        """Handles a piece of its body."""
        self._head = 0
        self._pieces += 1
        self._size += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Handles the end of a request."""
        super().on_message_complete()
        self._complete = True
        if self.cycle.response_complete:  # it was already rejected
            self._wait_within(self.seconds)
            return
        self._leave()
        self._deadline = self.loop.time() + 2 * self.seconds + _SLACK

    def on_response_complete(self) -> None:
        """Handles the end of a response, when it is in the send buffer."""
        more = bool(self.pipeline)
        super().on_response_complete()
        if more:
            self._deadline = self.loop.time() + 2 * self.seconds + _SLACK
        elif self._complete:
            self._wait_within(self.seconds)

    def _begin(self) -> None:
        self._head = self._pieces = self._size = 0
        self._complete = False

    def _wait_within(self, seconds: float) -> None:
        self._deadline = self.loop.time() + seconds
        self._leave()
        if self in self.connections:
            self.waiting.setdefault(self._address, {})[self] = None

    def _leave(self) -> None:
        others = self.waiting.get(self._address, {})
        others.pop(self, None)
        if not others:
            self.waiting.pop(self._address, None)

    def _abort(self) -> None:
        self._leave()
        self._disconnect()
        self.transport.abort()  # close() would wait until the send buffer is read

    def _disconnect(self) -> None:
        """Marks all requests as disconnected, so that their output is discarded."""
        self.pipeline.clear()
        for cycle in filter(None, (self.cycle, self._running)):
            cycle.disconnected = True
            cycle.message_event.set()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _check_deadline(self) -> None:
        if self.loop.time() >= self._deadline:
            self._abort()
        else:
            self._timer = self.loop.call_at(self._deadline, self._check_deadline)


def server_of(app: Any, limits: Limits) -> uvicorn.Server:
    """An HTTP server for an ASGI application; start it by `run(sockets=[listener])`."""
    most = min(limits.connections, max(_open_files()[0] - _OTHER_FILES, 1))
    bounds = {"seconds": limits.seconds, "most": most, "waiting": {}}
    http = type("Http", (Connection,), bounds)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=http,
            loop="asyncio",  # uvloop always reads 256 KiB at a time
            ws="none",
            log_level="error",
            access_log=False,
            server_header=False,
        )
    )


def allow(connections: int) -> None:
    """Raises the process's limit of open files for `connections`, up to the hard limit."""
    soft, hard = _open_files()
    if soft < connections + _OTHER_FILES:
        import resource

        wanted = min(connections + _OTHER_FILES, hard)
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        )


def _open_files() -> tuple[int, int]:
    """The soft and the hard limit of open files."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return sys.maxsize, sys.maxsize
    soft, hard = (
        sys.maxsize if n == resource.RLIM_INFINITY else n
        for n in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    return soft, hard
