"""Reads the images in the body of a request, within limits."""

import dataclasses
from collections.abc import Callable

from starlette.requests import Request

from agejax.data.decode import BadImage, shape_of
from agejax.inference.image_loading import looks_like_crop
from agejax.serve.admission import Refused
from agejax.serve.forms import BadForm, LargeForm, files_of
from agejax.serve.limits import MIB, Limits

# The unit of work is a pixel of a JPEG, which takes about 15 ns of CPU time.
_LEAST = 100_000  # minimum of any image, also of one that is rejected
_NO_JPEG = 4  # per pixel of a PNG or WebP image, which is decoded at full size
_SEARCH = 5_000_000  # of face detection in a photo, regardless of its size
_SCANS = 10  # of an ordinary progressive JPEG; more scans take proportionally longer


@dataclasses.dataclass(frozen=True)
class Sent:
    """An image that was sent.

    Attributes:
      name: the file's; "" if the body is a single image.
      data: its bytes, not yet checked.
      work: its estimated cost.
    """

    name: str
    data: bytes
    work: float


async def body_of(request: Request, limits: Limits, hold: Callable[[int], None]) -> bytes:
    """Receives the body of a request.

    Args:
      request: a POST request.
      limits: limits its size.
      hold: called with the number of bytes of each chunk; may raise `Refused`.

    Raises:
      Refused: it is empty or too large.
    """
    most = int(limits.mib * MIB)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > 8 * most:  # up to here, data is discarded so that the client receives the error
            break
        if size <= most:
            hold(len(chunk))
            chunks.append(chunk)
        else:
            chunks.clear()
    if size > most:
        raise Refused(413, f"the request is larger than {most / MIB:g} MiB")
    if not size:
        raise Refused(400, "the request has no body; send an image, or a form with files")
    return b"".join(chunks)


def images_of(content_type: str, body: bytes, limits: Limits, photos: bool | None) -> list[Sent]:
    """The images of a body: the files of a form, or the body itself. Only headers are decoded.

    To be called in a thread, as large forms are slow. `photos` is as for an `Opener`.

    Raises:
      Refused: the body is malformed or exceeds a limit.
    """
    kind = content_type.partition(";")[0].strip().lower()
    files = [("", body)]  # for any other type: curl declares every body a urlencoded form
    if kind == "multipart/form-data":
        files = _files(content_type, body, limits.images)
    sizes = [_pixels_and_work(data, photos) for _, data in files]
    most = limits.megapixels * 1e6
    pixels = sum(n for n, _ in sizes if n <= most)  # larger images are rejected one by one
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
        raise Refused(413, f"the form is too large: {error}") from error
    if len(files) > most:
        raise Refused(413, f"more than {most} images in a request")
    if not files:
        raise Refused(400, "the form has no file; send each image as a file, in any field")
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
