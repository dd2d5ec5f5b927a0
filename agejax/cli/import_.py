"""`agejax import`: a table of faces from a public set, or from files whose names tell."""

import collections
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agejax.errors import UserError, printable

_LISTS = ("benchmark", "imdb_clean", "mivolo")
_ABOUT = """
utkface DIR      names such as 25_0_1_20170116.jpg: age, gender (0 male, 1 female), race
fairface DIR     fairface_label_train.csv and fairface_label_val.csv beside their folders
names DIR        any names, by --pattern '{age}_{gender}_{race}_*.jpg' --gender 0=male,1=female
table FILE       another table: --rename path=image,age=years --gender 0=male,1=female
tfds DIR         a data set that tfds_imdb_wiki built; its images go to --images
benchmark FILE   a database of the CVPR 2024 benchmark (JSON), its folders as column fold
imdb_clean DIR   the lists of IMDB-Clean: imdb_train_new_1024.csv and so on
mivolo DIR       the annotations of MiVOLO, train, valid and test by their names
    Their images are below --root; --images cuts the faces out, by the boxes of the list.
"""


def add(commands: Any) -> None:
    """Declares the command."""
    import argparse

    command = commands.add_parser(
        "import",
        help="a table of faces from UTKFace, FairFace, names of files, or another table",
        description="Writes a table for configs/own_faces.py.",
        epilog=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = ("utkface", "fairface", "names", "table", "tfds", *_LISTS)
    command.add_argument("kind", choices=kinds, help="what SOURCE is; see below")
    command.add_argument("source", type=Path, help="the folder or the table")
    command.add_argument("--pattern", help="of names: '{age}_{gender}_*.jpg'")
    command.add_argument("--gender", metavar="0=male,1=female", help="what stands for what")
    command.add_argument(
        "--values", nargs=2, action="append", default=[], metavar=("COLUMN", "0=yes,1=no"),
        help="likewise, of any other column",
    )  # fmt: skip
    command.add_argument(
        "--unknown", action="append", default=[], metavar="[COLUMN=]VALUE",
        help="what stands where nothing is known, such as -1 or age=999; may be given again",
    )  # fmt: skip
    command.add_argument("--rename", metavar="OURS=THEIRS,...", help="columns of another table")
    text = "a new folder for the images of a tfds set, or for the faces of a published list"
    command.add_argument("--images", type=Path, help=text)
    text = "the folder where the paths of a published list start (the list's own)"
    command.add_argument("--root", type=Path, help=text)
    command.add_argument("-o", "--out", type=Path, help="the table to write (to stdout)")
    command.set_defaults(run=run)


def with_values(argv: list[str]) -> list[str]:
    """The command line for argparse, which takes a value such as `-1=unknown` for an option.

    What has a space in it is a value to argparse; spaces around values mean nothing here.
    """
    argv = list(argv)
    if argv[:1] == ["import"]:
        for i, option in enumerate(argv):
            value = i + (2 if option == "--values" else 1)
            takes_value = option in ("--values", "--gender", "--unknown") and value < len(argv)
            if takes_value and argv[value].startswith("-") and not argv[value].startswith("--"):
                argv[value] = f" {argv[value]}"
    return argv


def run(
    kind: str,
    source: Path,
    pattern: str | None,
    gender: str | None,
    values: list[list[str]],
    unknown: list[str],
    rename: str | None,
    images: Path | None,
    root: Path | None,
    out: Path | None,
) -> int:
    """Prints a table of the faces that are found, and on stderr what was left out, and why.

    Raises:
      UserError: there is nothing to import, or an option is missing or one too many.
    """
    from agejax.data.tables import importers
    from agejax.data.tables.fairface import from_fairface

    _check_options(
        kind,
        **{"pattern": pattern, "gender": gender, "values": values, "unknown": unknown},
        **{"rename": rename, "images": images, "root": root},
    )
    meanings = {name: _pairs("--values", text) for name, text in values}
    if gender:
        meanings["gender"] = _pairs("--gender", gender)
    if kind == "utkface":
        meaning = importers.Meaning(importers.UTKFACE_VALUES, _unknown(unknown))
    else:
        meaning = importers.Meaning(meanings, _unknown(unknown))
    if kind == "utkface":
        rows: Iterable = importers.from_names(source, importers.UTKFACE, meaning)
    elif kind == "fairface":
        rows = from_fairface(source, meaning)
    elif kind == "names":
        rows = importers.from_names(source, pattern or "", meaning)
    elif kind == "table":
        rows = importers.from_table(source, _pairs("--rename", rename or ""), meaning)
    elif kind in _LISTS:
        from agejax.data.tables.published_lists import from_list
        from agejax.inference.listed_faces import MARGIN, Cutter

        # An aligned box of the benchmark is a crop already.
        margin = 0.0 if kind == "benchmark" else MARGIN
        rows = from_list(kind, source, root, Cutter(images, margin) if images else None)
    else:
        from agejax.data.tables.from_tfds import from_built

        rows = from_built(source, images or Path())
    good, troubles, mended = [], [], collections.Counter[str]()
    for row in rows:
        good.append(row.cells) if row.cells is not None else troubles.append(row)
        mended[row.mended] += 1
    if not good:
        raise UserError(
            f"{source}: no face could be imported; {troubles[0].source}: {troubles[0].trouble}"
            if troubles
            else f"{source}: there is no face in it"
        )
    columns = {name for row in good for name in row}
    if strange := [name for name in meaning.unknown if name and name not in columns]:
        raise UserError(
            f"--unknown {strange[0]}=...: there is no column {strange[0]!r}, but "
            f"{', '.join(sorted(columns))}"
        )
    if kind != "table":  # whose paths are already what they are
        home = out.absolute().parent if out else Path.cwd()
        good = [row | {"path": _from(home, row["path"])} for row in good]
    _write(sorted(good, key=lambda row: row["path"]), out)
    _say(len(good), troubles, out)
    del mended[""]
    _say_mended(mended)
    return 0


def _check_options(kind: str, **options: Any) -> None:
    suits = {
        "pattern": ["names"],
        "gender": ["names", "table"],
        "values": ["names", "table"],
        "unknown": ["utkface", "fairface", "names", "table"],
        "rename": ["table"],
        "images": ["tfds", *_LISTS],
        "root": list(_LISTS),
    }
    for name, kinds in suits.items():
        if options[name] and kind not in kinds:
            raise UserError(f"--{name} is for {' and '.join(kinds)}, not for {kind}")
    for name in ("pattern", "images"):
        if kind in suits[name] and kind not in _LISTS and not options[name]:
            raise UserError(f"`agejax import {kind}` needs --{name}; `agejax import -h` shows how")


def _pairs(option: str, text: str) -> dict[str, str]:
    """ "0=male,1=female" -> {"0": "male", "1": "female"}."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not all(left.strip() and right.strip() for left, _, right in pairs):
        raise UserError(f"{option} {text!r}: it must be pairs such as 0=male,1=female")
    return {left.strip(): right.strip() for left, _, right in pairs}


def _unknown(given: list[str]) -> dict[str, list[str]]:
    """["-1", "age=999"] -> {"": ["-1"], "age": ["999"]}."""
    found: dict[str, list[str]] = {}
    for text in given:
        name, mark, value = text.rpartition("=")
        if not value.strip() or (mark and not name.strip()):
            raise UserError(f"--unknown {text!r}: it must be a value such as -1, or age=-1")
        found.setdefault(name.strip().casefold(), []).append(value.strip())
    return found


def _from(home: Path, path: str) -> str:
    """A path as a table in `home` has it: relative where the image lies below, else absolute."""
    whole = Path(os.path.abspath(path))
    return (whole.relative_to(home) if whole.is_relative_to(home) else whole).as_posix()


def _write(rows: list[Mapping[str, str]], out: Path | None) -> None:
    from agejax.data.tables.csv_cells import CsvWriter
    from agejax.data.tables.importers import columns_of
    from agejax.data.tables.written import written

    with written(out) as file:
        writer = CsvWriter(file, columns_of(rows))
        writer.writeheader()
        writer.writerows(rows)


def _say(good: int, troubles: list[Any], out: Path | None) -> None:
    where = f"{out}: " if out else ""
    print(f"{where}{good:,} faces imported, {len(troubles):,} left out", file=sys.stderr)
    kinds = collections.Counter(row.trouble.kind for row in troubles)
    for kind, n in kinds.most_common():
        example = next(row for row in troubles if row.trouble.kind == kind)
        told = f"  {n:,} for {kind}, such as {example.source}"
        print(printable(told), file=sys.stderr)


def _say_mended(mended: Mapping[str, int]) -> None:
    if not mended:
        return
    each = ", ".join(f"{what}: {n:,}" for what, n in sorted(mended.items(), key=lambda x: -x[1]))
    told = f"{sum(mended.values()):,} ages that a spreadsheet had made dates are groups again"
    print(printable(f"{told} ({each})"), file=sys.stderr)
