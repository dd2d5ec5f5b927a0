import io

import pytest
from PIL import Image


def jpeg(i, size=20, form="JPEG"):
    """A face of its own colour for every number."""
    out = io.BytesIO()
    Image.new("RGB", (size, size), (i % 256, 7 * i % 256, 255 - i % 256)).save(out, form)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Six images, a.jpg to f.jpg, of which f is a copy of e."""
    for i, name in enumerate("abcde"):
        (tmp_path / f"{name}.jpg").write_bytes(jpeg(i * 40))
    (tmp_path / "f.jpg").write_bytes(jpeg(160))
    return tmp_path


@pytest.fixture
def table(folder):
    """Writes faces.csv beside the images."""

    def write(text, name="faces.csv"):
        file = folder / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write
