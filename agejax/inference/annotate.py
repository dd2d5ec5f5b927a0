"""Draws predictions over a photo."""

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from agejax.data.decode import photo
from agejax.errors import UserError
from agejax.inference.image_loading import PHOTO_SIDE
from agejax.inference.prediction import Prediction, Reading
from agejax.utils.files import replacing

_INK, _SURE, _UNSURE = "#ffffff", "#1f6fb2", "#6b7280"  # legible with colour blindness
_MIN_SIDE = 320  # pixels; smaller images are enlarged so that a label fits


def annotated(data: bytes, reading: Reading) -> Image.Image:
    """Draws a box and a label for each face, grey where the model is unsure.

    A face crop has no box; its label is drawn at the lower edge. The longer side of the result is
    at most about 2048 pixels.

    Args:
      data: the encoded image.
      reading: its predictions.
    """
    image = Image.fromarray(photo(data, PHOTO_SIDE))
    if (longer := max(image.size)) < _MIN_SIDE:
        width, height = (max(1, round(side * _MIN_SIDE / longer)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    scale = max(image.size) / max(reading.shape or image.size)
    for face in reading.faces:
        _draw_face(draw, image.size, face, scale)
    if not reading.faces:
        _tag(draw, image.size, (0, image.height), "no face", _UNSURE, max(14, min(image.size) / 24))
    return image


def write_annotated(folder: Path, data: bytes, reading: Reading, taken: set[Path]) -> Path:
    """Writes `annotated` atomically to `folder/NAME-faces.jpg` and returns that path.

    Args:
      folder: created if missing.
      data: the encoded image.
      reading: its predictions; the path determines NAME.
      taken: files already written; this one is added. A second photo of the same name gets "-2".

    Raises:
      UserError: the folder cannot be written to.
    """
    stem = Path(reading.path or "image").stem
    number = 1
    while (file := folder / f"{stem}{'' if number == 1 else f'-{number}'}-faces.jpg") in taken:
        number += 1
    taken.add(file)
    out = io.BytesIO()
    annotated(data, reading).save(out, "JPEG", quality=92)
    try:
        with replacing(file) as temporary:
            temporary.write_bytes(out.getvalue())
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}") from error
    return file


def _draw_face(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], face: Prediction, scale: float
) -> None:
    colour = _UNSURE if face.unsure else _SURE
    if face.box is None:
        _tag(draw, size, (0, size[1]), face.label, colour, min(size) / 12)
        return
    box = face.box.scaled(scale)
    x, y = max(box.x, 0), max(box.y, 0)
    right, bottom = min(box.x + box.width, size[0] - 1), min(box.y + box.height, size[1] - 1)
    line = max(2, round(max(size) / 500))
    draw.rectangle((x, y, max(right, x), max(bottom, y)), outline=colour, width=line)
    text = min(max(14, box.height / 6), max(size) / 30)
    _tag(draw, size, (x, y), face.label, colour, text)


def _tag(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    corner: tuple[float, float],
    text: str,
    colour: str,
    height: float,
) -> None:
    """Draws text on a filled rectangle with its lower left at `corner`, kept inside the image."""
    font = ImageFont.load_default(height)
    left, top, right, bottom = draw.textbbox((0, 0), text, font)
    pad = height / 4
    width, tall = right - left + 2 * pad, bottom - top + 2 * pad
    x = min(max(corner[0], 0), max(size[0] - width, 0))
    y = min(max(corner[1] - tall, 0), max(size[1] - tall, 0))
    draw.rectangle((x, y, x + width, y + tall), fill=colour)
    draw.text((x + pad - left, y + pad - top), text, _INK, font)
