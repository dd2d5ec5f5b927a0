"""A small HTTP client for tests: one request a connection, from asyncio."""

import asyncio
import json


async def ask(port, method="POST", path="/predict", body=b"", kind="image/jpeg", raw=None):
    """The status and the body of an answer, from a service on this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    try:
        writer.write(head.encode() + body if raw is None else raw)
        async with asyncio.timeout(60):  # `wait_for` may lose a cancellation before Python 3.12
            answer = await reader.read()
    finally:
        writer.close()
    status_line, _, rest = answer.partition(b"\r\n")
    return int(status_line.split()[1]), rest.partition(b"\r\n\r\n")[2]


def form(files, boundary="xyz"):
    """A body of multipart/form-data, and its content type."""
    parts = b""
    for name, data in files.items():
        parts += f'--{boundary}\r\nContent-Disposition: form-data; name="f"; '.encode()
        parts += f'filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
    return parts + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def json_of(answer):
    return json.loads(answer[1])
