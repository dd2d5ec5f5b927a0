"""Clients of the service that misbehave, one by one, on 127.0.0.1.

Each is a coroutine function of a port that comes to an end by itself, or by the service.
"""

import asyncio
import contextlib
import itertools

from PIL import Image

from tests.photos import backdrop, encoded
from tests.serve.http import form

CROP = encoded(backdrop(60, 60))
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\n"
FORM = HEAD + b"Content-Type: multipart/form-data; boundary=x\r\n"
PART = b'--x\r\nContent-Disposition: form-data; name="a"'


def whole(body, head=FORM):
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def empty_fields(n=500_000):
    return PART.join([b"", *[b"\r\n\r\n\r\n"] * n]) + b"--x--\r\n"


def false_boundaries(n=3_000_000):
    return PART + b"\r\n\r\n" + b"\r\n--xa" * n + b"\r\n--x--\r\n"


def many_headers(n=300_000):
    return b"--x\r\n" + b"a: b\r\n" * n + b"\r\n\r\n--x--\r\n"


def quoted_headers(n=160):
    return (PART + b"; q=" + b'";' * 1000 + b"\r\n\r\n\r\n") * n + b"--x--\r\n"


def padded(n=5_000_000):
    return PART + b"\r\n\r\n\r\n--x" + b" " * n + b"\r\n\r\n\r\n--x--\r\n"


def nested(n=160):
    body = b""
    for i in range(n):
        head = b"--y%d\r\nContent-Type: multipart/mixed; boundary=y%d\r\n\r\n" % (i, i + 1)
        body = head + body + b"\r\n--y%d--\r\n" % i
    return b"--x\r\n\r\n" + body + b"\r\n--x--\r\n"


def long_boundary(n=8_000):
    return HEAD + b"Content-Type: multipart/form-data; boundary=%s\r\n" % (b"x" * n)


def large_images(n, side=7000):
    image = encoded(Image.new("L", (side, side)), "PNG", compress_level=1)
    return form({f"{i}.png": image for i in range(n)}, "x")[0]


def tiny_chunks(n=300_000):
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * n


def many_small_headers(n=10_000):
    return HEAD + b"a: b\r\n" * n + b"\r\n"


@contextlib.asynccontextmanager
async def connected(port, host=None, **options):
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, local_addr=host and (host, 0), **options
    )
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def sends(data, reads=True):
    """A client that sends some bytes, as fast as it can, and waits for the answer, or leaves."""

    async def client(port, host=None):
        async with connected(port, host) as (reader, writer):
            with contextlib.suppress(ConnectionError):
                writer.write(data)
                await writer.drain()
                if reads:
                    await reader.readuntil(b"\r\n")

    return client


def drips(head, drop, seconds=0.02, slowly=b""):
    """A client that sends a little at once, and then a drop at a time until it is cut off."""

    async def client(port, host=None):
        async with connected(port, host) as (reader, writer):
            closed = asyncio.create_task(reader.read())
            writer.write(head)
            for i in itertools.count():
                await asyncio.wait([closed], timeout=seconds)
                if closed.done() or writer.is_closing():
                    break
                writer.write(slowly[i : i + 1] or drop)
            with contextlib.suppress(ConnectionError):
                await closed

    return client


async def never_reads(port, host=None):
    """Asks for much, many times, and reads none of it."""
    async with connected(port, host, limit=1) as (reader, writer):
        writer.transport.pause_reading()
        asked = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(asked * 10)
                await writer.drain()
                await asyncio.sleep(0.05)


async def half_closes(port, host=None):
    """Says that it sends no more, in the middle of a request."""
    async with connected(port, host) as (reader, writer):
        writer.write(HEAD + b"Content-Length: 1000\r\n\r\nabc")
        writer.write_eof()
        await reader.read()


WAITERS = {
    "half a second request": drips(whole(CROP, HEAD) + HEAD, b"", 0.5),
    "a second head, byte by byte": drips(whole(CROP, HEAD), b"a", slowly=HEAD),
    "empty lines": drips(b"", b"\r\n"),
    "a head, byte by byte": drips(b"", b"a", slowly=HEAD + b"X: "),
    "a body, byte by byte": drips(HEAD + b"Content-Length: 100000\r\n\r\n", b"a"),
    "no body": drips(HEAD + b"Content-Length: 100000\r\n\r\n", b"", 0.5),
    "no body after 100": drips(
        HEAD + b"Expect: 100-continue\r\nContent-Length: 100000\r\n\r\n", b"", 0.5
    ),
    "chunks without end": drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "a body that nobody asked for": drips(
        b"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"
    ),
    "trailers without end": drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n"),
    "never reads": never_reads,
    "half-closed": half_closes,
}


def hogs(share=1.0):
    """Clients that ask for much work, which is `share` of what it may be."""
    n = lambda most: max(int(share * most), 1)
    large = whole(large_images(4, max(int(7000 * share**0.5), 1000)))
    return {
        "empty fields": sends(whole(empty_fields(n(500_000)))),
        "false boundaries": sends(whole(false_boundaries(n(3_000_000)))),
        "many headers": sends(whole(many_headers(n(300_000)))),
        "quoted headers": sends(whole(quoted_headers())),
        "padding": sends(whole(padded(n(5_000_000)))),
        "nested forms": sends(whole(nested())),
        "a long boundary": sends(whole(CROP, long_boundary())),
        "large images": sends(large),
        "large images, and leaves": sends(large, reads=False),
        "tiny chunks": sends(tiny_chunks(n(300_000))),
        "tiny headers": sends(many_small_headers()),
    }
