"""What each side of `peers.py` says of faces: asked once, kept in a cache folder."""

import contextlib
import csv
import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from peers_faces import Crops
from turns import Peer

COLUMNS = ("path", "age", "male", "found")
OURS = (*COLUMNS, "low", "high", "first")


@dataclasses.dataclass(frozen=True)
class Side:
    """A package and how it is run.

    Attributes:
      name: for people and file names.
      command: the file of this folder that reads faces, and its first arguments.
      variants: the ways to give it a crop; which of them is used, training faces decide.
      python: the interpreter.
      env: environment variables beside those of this process.
      note: what a reader of its figures must know; "" for nothing.
      columns: of the rows it writes.
      block: faces a request; what a cut-off costs.
    """

    name: str
    command: tuple[str, ...]
    variants: tuple[str, ...]
    python: str
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    note: str = ""
    columns: tuple[str, ...] = COLUMNS
    block: int = 20

    def start(self, variant: str, root: Path, files: Path, out: Path) -> Peer:
        """Its process, which reads the files that are named in `files`, in turns."""
        args = (variant, str(root), str(files), str(out))
        return Peer(*self.command, *args, env=dict(self.env), python=self.python)


def answers(side: Side, variant: str, crops: Crops, cache: Path) -> dict[str, np.ndarray]:
    """What a side says of all crops, {column: [N]} in their order; asks for what is missing.

    Columns: "age" (years), "male" (probability), "found" (bool); ours has more.
    """
    file = cache / f"{crops.name}-{side.name}-{variant}.csv"
    rows = _rows(file, side.columns)
    missing = [path for path in crops.path.tolist() if path not in rows]
    if missing:
        _keep(file, rows)
        _ask(side, variant, crops, missing, file)
        rows = _rows(file, side.columns)
    table = np.array([rows[path] for path in crops.path.tolist()], float)
    columns = dict(zip(side.columns[1:], table.T, strict=True))
    return columns | {"found": columns["found"] == 1}


def _ask(side: Side, variant: str, crops: Crops, missing: list[str], file: Path) -> None:
    names = file.with_suffix(".todo")
    names.write_text("".join(f"{path}\n" for path in missing))
    peer = side.start(variant, crops.root, names, file)
    for start in range(0, len(missing), side.block):
        peer.seconds(min(side.block, len(missing) - start))
        if start % (50 * side.block) == 0:
            print(f"{file.stem}: {start:,} of {len(missing):,}", file=sys.stderr, flush=True)
    peer.close()
    names.unlink()


def _rows(file: Path, columns: tuple[str, ...]) -> dict[str, list[str]]:
    """{path: the other cells} of the whole rows of a file; the last may be cut off."""
    if not file.exists():
        return {}
    with file.open(newline="") as opened:
        whole = [line for line in opened if line.endswith("\n")]
    return {row[0]: row[1:] for row in csv.reader(whole) if len(row) == len(columns)}


def _keep(file: Path, rows: dict[str, list[str]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".part")
    beside.write_text("".join(f"{','.join([path, *cells])}\n" for path, cells in rows.items()))
    with contextlib.suppress(FileNotFoundError):
        file.unlink()
    beside.rename(file)
