"""The `agejax` command."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agejax.errors import UserError, one_line

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_COLUMNS = ("path", "age", "age_low", "age_high", "gender", "gender_probability")


def main() -> None:
    """Entry of the `agejax` command."""
    parser = argparse.ArgumentParser(prog="agejax", description="Age and gender from face crops.")
    commands = parser.add_subparsers(required=True, metavar="predict | describe | compare")
    command: Any = commands.add_parser("predict", help="read ages and genders from face crops")
    command.add_argument("images", nargs="+", type=Path, help="image files, or folders of them")
    command.add_argument("--checkpoint", required=True, type=Path, help="a run, such as runs/small")
    command.add_argument("--batch-size", type=int, default=64, help="faces at a time (64)")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a JSON line a face")
    form.add_argument("--csv", action="store_true", help="print a CSV table")
    command.set_defaults(run=predict)
    command = commands.add_parser("describe", help="what a model costs: weights, FLOPs, speed")
    command.add_argument("config", type=Path, help="a config, or a run, such as runs/small")
    command.add_argument("--dry", action="store_true", help="count only, time nothing")
    command.set_defaults(run=describe)
    command = commands.add_parser("compare", help="is one run better than another, or was it luck")
    command.add_argument(
        "runs", nargs="*", type=Path, help="two runs, or .npz files of predictions"
    )
    for side in ("--a", "--b"):
        text = f"runs of side {side[2:].upper()}, such as seeds: their mean counts"
        command.add_argument(side, nargs="+", type=Path, default=[], metavar="RUN", help=text)
    command.add_argument("--split", default="test", help="whose evaluations are compared (test)")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=compare)
    args = vars(parser.parse_args())
    with one_line():
        sys.exit(args.pop("run")(**args))


def predict(images: list[Path], checkpoint: Path, batch_size: int, json: bool, csv: bool) -> int:
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


def describe(config: Path, dry: bool) -> int:
    """Prints what the model of a config, or of a run, costs.

    Raises:
      UserError: there is no such config or run.
    """
    from agejax.config import from_file
    from agejax.runtime.compiled import keep_compiled
    from agejax.runtime.describe import describe
    from agejax.runtime.runs import of_the_run

    keep_compiled()
    for line in describe(
        of_the_run(config, {}) if config.is_dir() else from_file(config), measure=not dry
    ):
        print(line, flush=True)
    return 0


def compare(runs: list[Path], a: list[Path], b: list[Path], split: str, json: bool) -> int:
    """Prints how two runs, or two sides of several, differ on the same faces.

    Raises:
      UserError: there are not two sides, or their evaluations are not of the same faces.
    """
    from agejax.runtime.compare import compare as compare_runs
    from agejax.runtime.compare import comparison_table

    if len(runs) == 2 and not a + b:
        runs, a, b = [], runs[:1], runs[1:]
    if runs or not (a and b):
        raise UserError("give two runs to compare, or --a RUN ... --b RUN ...")
    figures = compare_runs(a, b, split)
    if json:
        _print_json(figures)
    else:
        print(comparison_table(figures))
    return 0


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
    _print_json({name: getattr(prediction, name) for name in _COLUMNS})


def _print_json(figures: dict[str, Any]) -> None:
    print(json.dumps(figures))


def _show_csv():
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    return lambda prediction: writer.writerow(getattr(prediction, name) for name in _COLUMNS)
