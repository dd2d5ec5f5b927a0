"""uvicorn's HTTP/1.1, where nothing about a connection lasts, or grows, without end."""

import asyncio
import sys
from collections.abc import Collection
from typing import Any

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from agejax.serve.limits import Limits

_READ = 16_384  # bytes at a time, so that connections take turns in the event loop
_MOST_HEAD = 16_384  # bytes of a request that are none of its body, between two pieces of that
_PIPELINE = 64  # requests that may be sent before the first of them is answered
_PIECES, _SMALL = 4_096, 16  # a body may have so many pieces of fewer bytes on average
_OTHER_FILES = 128  # that a process has open
_SLACK = 1.0  # seconds that are left for the application to say itself that time is up


class _Flow(FlowControl):
    """Reads no further requests while some wait for their turn."""

    def __init__(self, transport: Any, pipeline: Collection[Any]):
        super().__init__(transport)
        self._pipeline = pipeline

    def resume_reading(self) -> None:
        if not self._pipeline:
            super().resume_reading()


class Connection(HttpToolsProtocol, asyncio.BufferedProtocol):
    """A connection that has `seconds` to send a request, and as many to read its answer.

    What has come in whole is the application's to answer within `seconds`. Bytes that trickle in
    or out win no time. Where there are over `most` connections, a new one takes the place of the
    one that has waited longest for a request, among those of the address that has most.
    """

    seconds: float
    most: int
    waiting: dict[str, dict["Connection", None]]  # by address; longest first

    def connection_made(self, transport: Any) -> None:
        """Starts its clock."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self._running: Any = None  # what is answered now; `cycle` is what was asked for last
        self._address = self.client[0] if self.client else ""
        self._buffer = bytearray(_READ)
        self._begin()
        self._wait_within(self.seconds)
        self._timer = self.loop.call_at(self._deadline, self._look_at_clock)
        if len(self.connections) > self.most:
            longest = max(self.waiting.values(), key=len)
            next(iter(longest))._abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Stops its clock."""
        self._timer.cancel()
        self._leave()
        self._forget()
        super().connection_lost(error)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Some are there."""
        self.data_received(bytes(self._buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Parses what has come in."""
        self._head += len(data)
        super().data_received(data)
        crumbs = self._pieces > _PIECES and self._size < _SMALL * self._pieces
        if (self._head > _MOST_HEAD or crumbs) and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.send_400_response("A head, or what stands between chunks, is too long.")
            else:
                self._abort()

    def on_message_begin(self) -> None:
        """A request's first byte is here.

        Raises:
          ValueError: too many are before it; the parser has 400 said.
        """
        if len(self.pipeline) >= _PIPELINE:
            raise ValueError(f"over {_PIPELINE} requests wait in one connection")
        super().on_message_begin()
        self._begin()
        self._deadline = self.loop.time() + self.seconds + _SLACK

    def on_body(self, body: bytes) -> None:
        """A piece of its body is here."""
        self._head = 0
        self._pieces += 1
        self._size += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Its last byte is here."""
        super().on_message_complete()
        self._whole = True
        if self.cycle.response_complete:  # it was refused before
            self._wait_within(self.seconds)
            return
        self._leave()
        self._deadline = self.loop.time() + 2 * self.seconds + _SLACK

    def on_response_complete(self) -> None:
        """Its answer is written, to where it waits to be read."""
        more = bool(self.pipeline)
        super().on_response_complete()
        if more:
            self._deadline = self.loop.time() + 2 * self.seconds + _SLACK
        elif self._whole:
            self._wait_within(self.seconds)

    def _begin(self) -> None:
        self._head = self._pieces = self._size = 0
        self._whole = False

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
        self._forget()
        self.transport.abort()  # to close it would wait until what is unread is read

    def _forget(self) -> None:
        """Nothing that is still written goes anywhere."""
        self.pipeline.clear()
        for cycle in filter(None, (self.cycle, self._running)):
            cycle.disconnected = True
            cycle.message_event.set()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _look_at_clock(self) -> None:
        if self.loop.time() >= self._deadline:
            self._abort()
        else:
            self._timer = self.loop.call_at(self._deadline, self._look_at_clock)


def server_of(app: Any, limits: Limits) -> uvicorn.Server:
    """What answers HTTP for an ASGI application, with `run(sockets=[listener])`."""
    most = min(limits.connections, max(_open_files()[0] - _OTHER_FILES, 1))
    bounds = {"seconds": limits.seconds, "most": most, "waiting": {}}
    http = type("Http", (Connection,), bounds)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=http,
            loop="asyncio",  # uvloop reads 256 KiB at a time, whatever it is told
            ws="none",
            log_level="error",
            access_log=False,
            server_header=False,
        )
    )


def allow(connections: int) -> None:
    """Has the system let this process open as many connections, or as many as it ever may."""
    soft, hard = _open_files()
    if soft < connections + _OTHER_FILES:
        import resource

        wanted = min(connections + _OTHER_FILES, hard)
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        )


def _open_files() -> tuple[int, int]:
    """How many files this process may open, and how many it may ask for."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return sys.maxsize, sys.maxsize
    soft, hard = (
        sys.maxsize if n == resource.RLIM_INFINITY else n
        for n in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    return soft, hard
