"""Writes painted faces in the layout of the official IMDB-WIKI crop archives, traps included."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from PIL import Image, ImageOps

from tfds_imdb_wiki.paint import PAINTED
from tfds_imdb_wiki.paint.face import paint_face
from tfds_imdb_wiki.paint.people import DROPPED, KINDS, Row, draw_rows


def _image(row: Row, rng: np.random.Generator, size: int) -> Image.Image:
    age = min(max(row.age, 0), 100)
    if row.trap == "no_face":
        return Image.new("RGB", (size, size), (186, 198, 214))
    if row.trap == "one_pixel":
        return Image.new("RGB", (1, 1), (186, 198, 214))
    image = paint_face(age, row.person.gender, rng, size, look=row.person.look)
    if row.trap == "greyscale":
        return image.convert("L")
    if row.trap == "cmyk":
        return image.convert("CMYK")
    if row.trap == "large":
        return ImageOps.pad(image, (700, 900), color=(186, 198, 214))
    if row.trap == "oblong":
        return ImageOps.pad(image, (size, size * 5 // 4), color=(186, 198, 214))
    return image


def _file(row: Row, rng: np.random.Generator, size: int) -> bytes:
    """What stands in the row's file."""
    if row.trap == "empty_file":
        return b""
    if row.trap == "text_file":
        return b"<html><body>404 Not Found</body></html>\n"
    data = io.BytesIO()
    if row.trap == "png":
        _image(row, rng, size).save(data, "PNG")
    else:
        _image(row, rng, size).save(data, "JPEG", quality=90)
    return data.getvalue()[: data.tell() // 2 if row.trap == "truncated" else None]


def _paint(
    rows: list[Row], watched: Iterable[Row], kind: str, seed: int, size: int, folder: Path
) -> None:
    """Writes the files of the `watched` rows, which are `rows` under a progress bar."""
    sources = {(row.person.look, row.age): i for i, row in enumerate(rows) if not row.trap}
    for i, row in enumerate(watched):
        if row.trap == "missing_file":
            continue
        file = folder / row.path(kind, i)
        file.parent.mkdir(exist_ok=True)
        # A twin is the picture of a good row under another name.
        source = sources[row.person.look, row.age] if row.trap == "twin" else i
        rng = np.random.default_rng([seed, KINDS.index(kind), 1, source])
        file.write_bytes(_file(row, rng, size))


def _cells(values: Iterable[Any]) -> np.ndarray:
    """A 1xN cell array."""
    listed = list(values)
    cells = np.empty((1, len(listed)), object)
    for i, value in enumerate(listed):
        cells[0, i] = value
    return cells


def _mat(rows: list[Row], kind: str, seed: int, size: int) -> bytes:
    """The .mat file."""
    rng = np.random.default_rng([seed, KINDS.index(kind), 3])
    n = len(rows)
    trap = np.array([row.trap for row in rows])
    dob = np.array([row.person.birth.toordinal() + 366 for row in rows])
    dob = np.where(trap == "dob_too_early", 47, np.where(trap == "dob_too_late", 4_000_000, dob))
    score = rng.uniform(1.2, 6, n)
    score = np.where(trap == "low_score", 0.4, np.where(trap == "no_face", -np.inf, score))
    second = np.where(trap == "second_face", 2.5, np.nan)
    second = np.where(trap == "second_score_negative", -0.5, second)
    gender = np.array([float(row.person.gender) for row in rows])
    names = ["" if row.trap == "no_name" else row.person.name for row in rows]
    corners = rng.uniform(1, 200, (n, 1, 2)).round(1)  # the face box in the uncropped photo
    fields: dict[str, np.ndarray] = {
        "dob": dob.astype(np.int32)[None],
        "photo_taken": np.array([[row.year for row in rows]], np.uint16),
        "full_path": _cells(row.path(kind, i) for i, row in enumerate(rows)),
        "gender": np.where(trap == "no_gender", np.nan, gender)[None],
        "name": _cells(names),
        "face_location": _cells(np.concatenate([c, c + round(size / 1.8)], 1) for c in corners),
        "face_score": score[None],
        "second_face_score": second[None],
    }
    if kind == "imdb":
        known = sorted(set(names))
        fields["celeb_names"] = _cells(known)
        index = {name: i for i, name in enumerate(known, start=1)}
        fields["celeb_id"] = np.array([[index[name] for name in names]], np.uint16)
    out = io.BytesIO()
    scipy.io.savemat(out, {kind: fields})
    # SciPy puts the time of day into the header; the same archive shall have the same bytes.
    return PAINTED.ljust(116) + out.getvalue()[116:]


def _expected(rows: list[Row]) -> dict[str, Any]:
    """What a builder makes of the rows."""
    dropped = dict.fromkeys(DROPPED.values(), 0)
    for row in rows:
        if row.trap in DROPPED:
            dropped[DROPPED[row.trap]] += 1
    return {"kept": len(rows) - sum(dropped.values()), "dropped": dropped}


def write_archive(
    root: Path,
    kind: str,
    count: int,
    seed: int = 0,
    traps: bool = True,
    *,
    size: int = 128,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Path:
    """Writes `root/{kind}_crop/`: `NN/*.jpg`, `{kind}.mat`, and `painted.json` with what to expect.

    The same arguments write the same bytes. Ages are spread evenly over 1..90, with four photos
    of most persons; a few of wiki's persons stand in imdb of the same seed too. A folder that
    already holds the .mat file is left as it is, whatever the arguments.

    Args:
      root: the folder to write into, made where it is missing.
      kind: "imdb" or "wiki".
      count: how many good rows, at least 1.
      seed: at least 0.
      traps: whether to add rows that a builder must drop, and odd ones that it must keep: 8% of
        `count`, at least one of each. `painted.json` is {"kept": n, "dropped": {reason: n}}.
      size: of the square pictures in pixels, at least 16.
      progress: wraps the list of rows while they are painted, as `tqdm` does.

    Returns:
      The folder `root/{kind}_crop`.

    Raises:
      ValueError: on a kind, count, seed or size outside these.
      FileExistsError: the folder exists and has no .mat file.
    """
    if kind not in KINDS or count < 1 or seed < 0 or size < 16:
        raise ValueError(f"cannot write {count} faces of size {size} as {kind!r}, seed {seed}")
    final = root / f"{kind}_crop"
    if (final / f"{kind}.mat").is_file():
        return final
    if final.exists():
        raise FileExistsError(f"{final} exists and holds no {kind}.mat; remove it first")
    root.mkdir(parents=True, exist_ok=True)
    rows = draw_rows(seed, kind, count, traps)
    with tempfile.TemporaryDirectory(dir=root, prefix=f".{kind}_crop-") as beside:
        building = Path(beside) / final.name
        building.mkdir()
        _paint(rows, progress(rows), kind, seed, size, building)
        (building / f"{kind}.mat").write_bytes(_mat(rows, kind, seed, size))
        text = json.dumps(_expected(rows), indent=2) + "\n"
        (building / "painted.json").write_text(text, encoding="utf-8")
        building.rename(final)
    return final
