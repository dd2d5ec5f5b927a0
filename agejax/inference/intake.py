"""What a request to the service may bring: the images in its body, within limits."""

from collections.abc import Callable

from starlette.requests import Request

from agejax.inference.forms import BadForm, files_of
from agejax.inference.limits import MIB, Limits


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
        files = files_of(request.headers["content-type"], body, limits.images)
    except BadForm as error:
        raise Refused(400, f"not a readable form: {error}") from error
    if len(files) > limits.images:
        raise Refused(413, f"more than {limits.images} images in a request")
    if not files:
        raise Refused(400, "the form has no file; give each image as one, under any name")
    return files


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
