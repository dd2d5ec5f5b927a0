"""`agejax predict`: read ages and genders from face crops."""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agejax.errors import UserError

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_COLUMNS = ("path", "age", "age_low", "age_high", "gender", "gender_probability")


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser("predict", help="read ages and genders from face crops")
    command.add_argument("images", nargs="+", type=Path, help="image files, or folders of them")
    command.add_argument("--checkpoint", required=True, type=Path, help="a run, such as runs/small")
    command.add_argument("--batch-size", type=int, default=64, help="faces at a time (64)")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a JSON line a face")
    form.add_argument("--csv", action="store_true", help="print a CSV table")
    command.set_defaults(run=run)


def run(images: list[Path], checkpoint: Path, batch_size: int, json: bool, csv: bool) -> int:
    """Prints what is read from each image; 2 if one could not be read, else 0.

    Raises:
      UserError: no such path or checkpoint, or a folder without images.
    """
    if batch_size < 1:
        raise UserError(f"--batch-size is {batch_size}; it must be at least 1")
    files = list(_image_files(images))
    from tqdm.auto import tqdm

    from agejax.inference.predict import load  # JAX takes seconds; a wrong path should not
    from agejax.runtime.compiled import keep_compiled

    keep_compiled()
    predictor = load(checkpoint, batch_size=min(batch_size, len(files)))
    show = _show_json if json else _show_csv() if csv else print
    failed = 0
    results = predictor.predict_files(files)
    for result in tqdm(results, total=len(files), unit="face", disable=_quiet(files)):
        if isinstance(result, UserError):
            tqdm.write(f"error: {result}", file=sys.stderr)
            failed += 1
        else:
            show(result)
    return 2 if failed else 0


def _image_files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            if not path.exists():
                raise UserError(f"{path}: no such file or folder")
            yield path
            continue
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES)
        if not inside:
            raise UserError(f"{path}: no image ({', '.join(_SUFFIXES)}) in this folder")
        yield from inside


def _quiet(files: list[Path]) -> bool | None:
    """No progress bar for a few files, nor where it would fall between printed lines."""
    return True if len(files) < 100 or sys.stdout.isatty() else None


def _show_json(prediction: Any) -> None:
    print(json.dumps({name: getattr(prediction, name) for name in _COLUMNS}))


def _show_csv():
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    return lambda prediction: writer.writerow(getattr(prediction, name) for name in _COLUMNS)
