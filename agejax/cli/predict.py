"""`agejax predict`: read ages and genders from face crops and photos."""

import codecs
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from agejax.cli import options
from agejax.cli.options import text_path
from agejax.errors import UserError, told
from agejax.utils.streams import check_stdout

_EPILOG = """\
An image with no side over 512 pixels, nor over 1.25 times the other, is taken for a face crop, as
the model was trained on; any other for a photo, in which faces are found first (extra: detect).
--crops and --photos say what all are. Folders are read with all folders in them. "-" is standard
input: an image, or a list of paths, one a line or as find -print0 gives them."""


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser(
        "predict", help="read ages and genders from face crops and photos", epilog=_EPILOG
    )
    command.add_argument(
        "images", nargs="+", type=text_path, help="image files, folders of them, or -"
    )
    text = "a run, such as runs/small, or a file of weights (those that come with agejax)"
    command.add_argument("--checkpoint", type=Path, help=text)
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
    options.add_thresholds(command)
    command.add_argument("--batch-size", type=int, default=64, help="faces at a time (64)")
    command.set_defaults(run=run)


def run(
    images: list[str],
    checkpoint: Path | None,
    crops: bool,
    photos: bool,
    annotate: Path | None,
    json: bool,
    csv: bool,
    distribution: bool,
    decoding: str,
    margin: float | None,
    threshold: list[int] | None,
    batch_size: int,
) -> int:
    """Prints what is read from each image; 2 if one could not be read, else 0.

    Raises:
      UserError: no such checkpoint, or standard input is empty.
    """
    if annotate is None:
        check_stdout()
    if batch_size < 1:
        raise UserError(f"--batch-size is {batch_size}; it must be at least 1")
    if distribution and not json:
        raise UserError("--distribution goes with --json")
    files, stdin = _sources(images, annotate)
    if isinstance(files, list) and all(isinstance(file, UserError) for file in files):
        for error in files:
            _tell(error)
        return 2
    from agejax.inference import show
    from agejax.inference.predictor import load  # JAX takes seconds; a wrong path should not
    from agejax.kernels.cpu import keep_freed_memory
    from agejax.training.compilation_cache import keep_compiled

    keep_compiled()
    keep_freed_memory()
    total = len(files) if isinstance(files, list) else None
    most = min(batch_size, total or batch_size)
    predictor = load(
        checkpoint, batch_size=most, margin=margin, decoding=decoding, thresholds=threshold
    )
    out = sys.stdout
    # A name that the encoding lacks is escaped; a table keeps the very bytes of odd names.
    raw = csv and codecs.lookup(out.encoding).name == "utf-8"
    out.reconfigure(errors="surrogateescape" if raw else "backslashreplace")  # type: ignore[union-attr]
    if json:
        printed = show.as_json(out, distribution)
    else:
        printed = show.as_csv(out, predictor.thresholds) if csv else show.as_lines(out)
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
            _tell(error)
            failed = True
    return failed


def _tell(error: object, kind: str = "error") -> None:
    from tqdm.auto import tqdm

    tqdm.write(f"{kind}: {told(error)}", file=sys.stderr)


def _annotator(folder: Path, stdin: bytes | None) -> Callable[[Any], None]:
    """What draws a reading into `folder`.

    Raises:
      UserError: it cannot be written to.
    """
    from agejax.data.formats import BadImage
    from agejax.data.image_files import read_whole
    from agejax.inference.annotate import write_annotated

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--annotate {folder}: {error.strerror}") from error
    taken: set[Path] = set()

    def draw(reading: Any) -> None:
        if stdin is None and Path(reading.path).resolve().parent == folder.resolve():
            raise UserError(f"{reading.path} lies in --annotate {folder}; give another folder")
        try:
            data = read_whole(Path(reading.path)) if stdin is None else stdin
            write_annotated(folder, data, reading, taken)
        except (BadImage, OSError) as error:  # it was another when it was read
            why = (error.strerror if isinstance(error, OSError) else None) or error
            raise UserError(f"{reading.path} cannot be drawn: {why}") from error

    return draw


def _sources(images: list[str], annotate: Path | None) -> tuple[Any, bytes | None]:
    """The files, as a list or, of standard input's list, as a stream; or the image in there.

    What is no file or folder, or is wrong in a folder, is a `UserError` among them.

    Raises:
      UserError: standard input is empty.
    """
    from agejax.data.formats import HEAD, format_of
    from agejax.data.image_files import MAX_BYTES
    from agejax.inference.path_list import paths_in

    if "-" not in images:
        return [file for path in images for file in _files(path, annotate)], None
    if images != ["-"]:
        raise UserError("- is standard input, and stands alone")
    stdin = sys.stdin.buffer
    head = stdin.read(HEAD)
    if not head:
        raise UserError("standard input is empty; it should be an image, or a list of paths")
    if format_of(head):
        data = head + stdin.read(MAX_BYTES)
        return [data], data
    return paths_in(head, stdin), None


def _files(path: str, annotate: Path | None) -> list[Any]:
    from agejax.data.image_files import find_images
    from agejax.inference.sources import in_folder

    if not os.path.isdir(path):
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return [UserError(f"{path}: no such file or folder")]
        except OSError as error:
            return [UserError(f"{path}: {error.strerror}")]
        return [path]
    found = find_images(Path(path), annotate)
    if left_out := found.left_out():
        _tell(f"{path}: left out, as no images: {left_out}", "note")
    return in_folder(Path(path), found)
