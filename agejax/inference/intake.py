"""What a request to the service may bring: the images in its body, within limits."""

import logging
from collections.abc import AsyncGenerator, Callable

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from agejax.inference.limits import MIB, Limits

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # warns of every odd form


class Refused(Exception):
    """A request that is answered with a status and one line."""

    def __init__(self, status: int, line: str):
        super().__init__(line)
        self.status = status


async def images_of(
    request: Request, limits: Limits, hold: Callable[[int], None]
) -> list[tuple[str, bytes]]:
    """The name and the bytes of each image: of a form's files, or of the body as it is.

    Args:
      request: a POST.
      limits: for its size and number of images.
      hold: told of the bytes that come in; may raise `Refused`.

    Raises:
      Refused: it is empty, malformed, or past a limit.
    """
    body = await _body(request, int(limits.mib * MIB), hold)
    if not body:
        raise Refused(400, "the request has no body; send an image, or a form of files")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":  # whatever else it says: curl says "form" of any body
        return [("", body)]
    try:
        return await _files(request, body, limits)
    except (MultiPartException, ValueError) as error:  # the parser's own errors are ValueErrors
        why = " ".join(str(getattr(error, "message", error)).split())
        raise Refused(400, f"not a readable form: {why}") from error


async def _body(request: Request, most: int, hold: Callable[[int], None]) -> bytes:
    chunks, size = [], 0
    too_large = Refused(413, f"the request is larger than {most / MIB:g} MiB")
    async for chunk in request.stream():
        size += len(chunk)
        if size > 8 * most:  # it was read on, and thrown away, so that a client could hear of it
            break
        if size <= most:
            hold(len(chunk))
            chunks.append(chunk)
    if size > most:
        raise too_large
    return b"".join(chunks)


async def _files(request: Request, body: bytes, limits: Limits) -> list[tuple[str, bytes]]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    # One more than may be, so that it is us who say that there are too many.
    most = limits.images + 1
    form = await MultiPartParser(
        request.headers, stream(), max_files=most, max_fields=16, max_part_size=64 * 1024
    ).parse()
    files = [value for _, value in form.multi_items() if not isinstance(value, str)]
    try:
        if len(files) > limits.images:
            raise Refused(413, f"more than {limits.images} images in a request")
        if not files:
            raise Refused(400, "the form has no file; give each image as one, under any name")
        return [(file.filename or "", await file.read()) for file in files]
    finally:
        await form.close()
