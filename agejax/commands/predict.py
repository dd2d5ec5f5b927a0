"""`agejax predict`: read ages and genders from face crops and photos."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from agejax.commands.options import text_path
from agejax.errors import UserError
from agejax.streams import check_stdout

_MAGIC = (b"\xff\xd8", b"\x89PNG", b"RIFF")  # no list of paths begins like these
_EPILOG = """\
An image with no side over 512 pixels, nor over 1.25 times the other, is taken for a face crop, as
the model was trained on; any other for a photo, in which faces are found first (extra: detect).
--crops and --photos say what all are. "-" is standard input: an image, or a list of paths, one a
line."""


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser(
        "predict", help="read ages and genders from face crops and photos", epilog=_EPILOG
    )
    command.add_argument(
        "images", nargs="+", type=text_path, help="image files, folders of them, or -"
    )
    command.add_argument("--checkpoint", required=True, type=Path, help="a run, such as runs/small")
    kind = command.add_mutually_exclusive_group()
    kind.add_argument("--crops", action="store_true", help="each image is one face crop")
    kind.add_argument("--photos", action="store_true", help="find the faces in every image")
    command.add_argument("--annotate", type=Path, metavar="DIR", help="draw what is read, in there")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a JSON line a face")
    form.add_argument("--csv", action="store_true", help="print a CSV table")
    text = "with --json: the probability of each age from 0 to 100, too"
    command.add_argument("--distribution", action="store_true", help=text)
    text = "which age is read from its distribution: median (the default), mean or argmax"
    command.add_argument("--decoding", default="median", help=text)
    text = "what a crop shows beyond the face on each side, as a share of it (the run's own)"
    command.add_argument("--margin", type=float, help=text)
    command.add_argument("--batch-size", type=int, default=64, help="faces at a time (64)")
    command.set_defaults(run=run)


def run(
    images: list[str],
    checkpoint: Path,
    crops: bool,
    photos: bool,
    annotate: Path | None,
    json: bool,
    csv: bool,
    distribution: bool,
    decoding: str,
    margin: float | None,
    batch_size: int,
) -> int:
    """Prints what is read from each image; 2 if one could not be read, else 0.

    Raises:
      UserError: no such path or checkpoint, or a folder without images.
    """
    if annotate is None:
        check_stdout()
    if batch_size < 1:
        raise UserError(f"--batch-size is {batch_size}; it must be at least 1")
    if distribution and not json:
        raise UserError("--distribution goes with --json")
    files, stdin = _sources(images)
    from agejax.inference import show
    from agejax.inference.predict import load  # JAX takes seconds; a wrong path should not
    from agejax.runtime.compiled import keep_compiled
    from agejax.runtime.cpu import keep_freed_memory

    keep_compiled()
    keep_freed_memory()
    total = len(files) if isinstance(files, list) else None
    most = min(batch_size, total or batch_size)
    predictor = load(checkpoint, batch_size=most, margin=margin, decoding=decoding)
    out = sys.stdout
    out.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]  # as file names are
    if json:
        printed = show.as_json(out, distribution)
    else:
        printed = show.as_csv(out) if csv else show.as_lines(out)
    readings = predictor.read(files, photos if crops or photos else None)
    named = (reading if reading.path else replace(reading, path="stdin") for reading in readings)
    draw = _annotator(annotate, stdin) if annotate else lambda reading: None
    return 2 if _print_all(named, total, printed, draw) else 0


def _print_all(
    readings: Iterable[Any],
    total: int | None,
    show: Callable[[Any], None],
    draw: Callable[[Any], None],
) -> bool:
    """Shows and draws each; whether one could not be read."""
    from tqdm.auto import tqdm

    failed = False
    # No bar for a few images, nor where it would fall between printed lines.
    quiet = True if (total is not None and total < 100) or sys.stdout.isatty() else None
    for reading in tqdm(readings, total=total, unit="image", disable=quiet):
        try:
            if reading.error:
                raise reading.error
            show(reading)
            draw(reading)
        except UserError as error:
            tqdm.write(f"error: {' '.join(str(error).split())}", file=sys.stderr)
            failed = True
    return failed


def _annotator(folder: Path, stdin: bytes | None) -> Callable[[Any], None]:
    """What draws a reading into `folder`.

    Raises:
      UserError: it cannot be written to.
    """
    from agejax.inference.annotate import write_annotated

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--annotate {folder}: {error.strerror}") from error
    taken: set[Path] = set()

    def draw(reading: Any) -> None:
        if stdin is None and Path(reading.path).resolve().parent == folder.resolve():
            raise UserError(f"{reading.path} lies in --annotate {folder}; give another folder")
        write_annotated(folder, stdin or Path(reading.path).read_bytes(), reading, taken)

    return draw


def _sources(images: list[str]) -> tuple[Any, bytes | None]:
    """The files, as a list or, of standard input's list, as a stream; or the image in there.

    Raises:
      UserError: a path is not there, or standard input is empty.
    """
    from agejax.inference.opening import MAX_BYTES, images_of

    if "-" in images:
        if images != ["-"]:
            raise UserError("- is standard input, and stands alone")
        head = sys.stdin.buffer.read(16)
        if not head:
            raise UserError("standard input is empty; it should be an image, or a list of paths")
        if head.startswith(_MAGIC):
            data = head + sys.stdin.buffer.read(MAX_BYTES)
            return [data], data
        first = (head + sys.stdin.buffer.readline()).splitlines()
        return _paths_in(chain(first, sys.stdin.buffer)), None
    for path in images:
        if not Path(path).exists():
            raise UserError(f"{path}: no such file or folder")
    return list(images_of(images)), None


def _paths_in(lines: Iterable[bytes]) -> Iterator[str]:
    for line in lines:
        if path := os.fsdecode(line.rstrip(b"\r\n")):
            yield path
