"""What a request to the service may bring: the images in its body, within limits."""

import dataclasses
from collections.abc import Callable

from starlette.requests import Request

from agejax.data.decode import BadImage, shape_of
from agejax.inference.image_loading import looks_like_crop
from agejax.serve.admission import Refused
from agejax.serve.forms import BadForm, LargeForm, files_of
from agejax.serve.limits import MIB, Limits

# Work is counted in pixels of a JPEG, at about 15 ns each on a processor.
_LEAST = 100_000  # of any image, or of refusing what is none
_NO_JPEG = 4  # a pixel of a PNG or WebP image, which is decoded whole before it is made smaller
_SEARCH = 5_000_000  # for faces in a photo, whatever its size
_SCANS = 10  # of an ordinary progressive JPEG; one of more takes longer in proportion


@dataclasses.dataclass(frozen=True)
class Sent:
    """An image that was sent.

    Attributes:
      name: of its file; "" for a body that is one image.
      data: its bytes, of any kind.
      work: what it takes to read, about.
    """

    name: str
    data: bytes
    work: float


async def body_of(request: Request, limits: Limits, hold: Callable[[int], None]) -> bytes:
    """The body of a request, whole.

    Args:
      request: a POST.
      limits: for its size.
      hold: called with the number of bytes that come in, each time; may raise `Refused`.

    Raises:
      Refused: it is empty or too large.
    """
    most = int(limits.mib * MIB)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > 8 * most:  # it was read on, and thrown away, so that a client could hear of it
            break
        if size <= most:
            hold(len(chunk))
            chunks.append(chunk)
        else:
            chunks.clear()
    if size > most:
        raise Refused(413, f"the request is larger than {most / MIB:g} MiB")
    if not size:
        raise Refused(400, "the request has no body; send an image, or a form of files")
    return b"".join(chunks)


def images_of(content_type: str, body: bytes, limits: Limits, photos: bool | None) -> list[Sent]:
    """The images of a body: a form's files, or itself; of each, no more than its head is read.

    To be called in a thread: of a large form this takes a while. `photos` is as for an `Opener`.

    Raises:
      Refused: it is malformed, or past a limit.
    """
    kind = content_type.partition(";")[0].strip().lower()
    files = [("", body)]  # whatever else it says: curl says "form" of any body
    if kind == "multipart/form-data":
        files = _files(content_type, body, limits.images)
    sizes = [_pixels_and_work(data, photos) for _, data in files]
    most = limits.megapixels * 1e6
    pixels = sum(n for n, _ in sizes if n <= most)  # a larger one is refused by itself, unread
    if pixels > max(limits.request_megapixels, limits.megapixels) * 1e6:
        raise Refused(
            413,
            f"{pixels / 1e6:,.0f} million pixels in all; a request may have "
            f"{limits.request_megapixels:g} million",
        )
    return [
        Sent(name, data, work if n <= most else _LEAST)
        for (name, data), (n, work) in zip(files, sizes, strict=True)
    ]


def _files(content_type: str, body: bytes, most: int) -> list[tuple[str, bytes]]:
    try:
        files = files_of(content_type, body, most)
    except BadForm as error:
        raise Refused(400, f"not a readable form: {error}") from error
    except LargeForm as error:
        raise Refused(413, f"too large a form: {error}") from error
    if len(files) > most:
        raise Refused(413, f"more than {most} images in a request")
    if not files:
        raise Refused(400, "the form has no file; give each image as one, under any name")
    return files


def _pixels_and_work(data: bytes, photos: bool | None) -> tuple[int, float]:
    try:
        shape = shape_of(data)
    except BadImage:
        return 0, _LEAST
    pixels = shape[0] * shape[1]
    if data[:2] == b"\xff\xd8":
        work = pixels * max(1, data.count(b"\xff\xda") / _SCANS)
    else:
        work = pixels * _NO_JPEG
    if photos or (photos is None and not looks_like_crop(shape)):
        work += _SEARCH
    return pixels, max(work, _LEAST)
