"""Which web pages may read the service's answers."""

import asyncio

import pytest

from agejax.cli.serve import _origin
from agejax.errors import UserError
from tests.battery.clients import CROP

PAGE = "https://example.org"


def headers_of(port, method, origin, *lines, body=b""):
    async def ask():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"{method} /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: {origin}\r\n"
        head += "".join(f"{line}\r\n" for line in lines) + f"Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        return answer.partition(b"\r\n\r\n")[0].decode().lower()

    return asyncio.run(ask())


def test_the_pages_of_the_origins_that_are_named_may_read_answers(serving):
    wanted = ["Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"]
    allowed = f"access-control-allow-origin: {PAGE}"
    with serving(cors=[PAGE, "http://127.0.0.1:5000"]) as port:
        assert allowed in headers_of(port, "OPTIONS", PAGE, *wanted)
        answer = headers_of(port, "POST", PAGE, body=CROP)
        assert "200 ok" in answer
        assert allowed in answer
        assert allowed in headers_of(port, "POST", PAGE)  # a refusal too
        assert "allow-origin" not in headers_of(port, "POST", "https://evil.example", body=CROP)


def test_all_pages_may_if_asked_for_and_none_by_default(serving):
    with serving(cors=["*"]) as port:
        assert "access-control-allow-origin: *" in headers_of(port, "POST", PAGE, body=CROP)
    with serving() as port:
        assert "access-control" not in headers_of(port, "POST", PAGE, body=CROP)


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("*", "*"),
        ("https://Example.org", "https://example.org"),
        ("https://example.org:443", "https://example.org"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_an_origin_is_as_browsers_name_it(given, origin):
    assert _origin(given) == origin


@pytest.mark.parametrize(
    "given",
    [
        "",
        "example.org",
        "https://",
        "https://a/",
        "https://a/b",
        "https://u@a",
        "https://a:b",
        "**",
    ],
)
def test_what_is_no_origin_is_refused_in_a_line(given):
    with pytest.raises(UserError, match="no origin"):
        _origin(given)
