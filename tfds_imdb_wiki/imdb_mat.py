"""`imdb.mat` and `wiki.mat` as columns, read where a corrupt file can do no harm."""

import contextlib
import functools
import io
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from agejax.errors import UserError

_SECONDS = 1800  # the official file takes less than a minute
# Bytes of address space for the reader: its libraries', and a multiple of the file. The official
# one is compressed, and takes some 2 GB.
_MEMORY, _MEMORY_PER_BYTE = 1 << 30, 200

Columns = dict[str, np.ndarray]

# Every field of the official files; the last two stand in imdb.mat alone.
_FIELDS = [
    "dob",
    "photo_taken",
    "full_path",
    "gender",
    "name",
    "face_location",
    "face_score",
    "second_face_score",
]
_CELEBRITIES = ("celeb_names", "celeb_id")


def read_mat(data: bytes, kind: str, where: str) -> Columns:
    """The fields of an IMDB-WIKI `.mat` as columns of its N rows.

    Args:
      data: the bytes of the file.
      kind: "imdb" or "wiki", the name of the struct in it.
      where: what to call the file in an error.

    Returns:
      dob int64 [N] (MATLAB datenum; unreadable ones are 0), photo_taken int64 [N] (year),
      full_path str [N], name str [N] ("" where missing), gender float64 [N] (NaN unknown),
      face_location float64 [N, 4] (1-based x1 y1 x2 y2, pixels), face_score and
      second_face_score float64 [N]; for IMDB also celeb_names str [M] and celeb_id int64 [N]
      (1-based).

    Raises:
      UserError: the file is no such `.mat`.
    """
    with mat_reader(kind) as read:
        return read(data, where)


@contextlib.contextmanager
def mat_reader(kind: str) -> Iterator[Callable[[bytes, str], Columns]]:
    """`read_mat` of one file, which may still be looked for while the reader gets ready.

    SciPy's reader can crash on a corrupt file (it did on 1 in 300 mutated ones), so it runs in a
    child process, and to import it takes as long as to read.
    """
    # -P: whatever lies in the working directory must not stand in for a library.
    command = [sys.executable, "-P", "-m", "tfds_imdb_wiki.imdb_mat", kind]
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # whose stacks count as memory
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=pipe) as child:
        try:
            yield functools.partial(_read, child, kind)
        finally:
            child.kill()


def _read(child: subprocess.Popen, kind: str, data: bytes, where: str) -> Columns:
    try:
        out, err = child.communicate(data, timeout=_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise UserError(
            f"{where}: not a readable {kind}.mat (its reader took {_SECONDS} s); fetch it again"
        ) from error
    if child.returncode:
        said = err.decode(errors="replace").strip().splitlines()
        why = said[-1] if said else f"its reader died of signal {-child.returncode}"
        raise UserError(f"{where}: not a readable {kind}.mat ({why}); fetch or unpack it again")
    with np.load(io.BytesIO(out), allow_pickle=False) as columns:
        return dict(columns)


def _parse(data: bytes, kind: str) -> Columns:
    import scipy.io

    struct = scipy.io.loadmat(io.BytesIO(data))[kind][0, 0]
    columns = {f: struct[f].ravel() for f in (*_FIELDS, *_CELEBRITIES) if f in struct.dtype.names}
    for field in ("full_path", "name", "celeb_names"):
        if field in columns:
            columns[field] = np.array([_text(cell) for cell in columns[field]], dtype=np.str_)
    for field in ("dob", "photo_taken", "celeb_id"):
        if field in columns:
            values = np.nan_to_num(columns[field].astype(np.float64), nan=0, posinf=0, neginf=0)
            columns[field] = values.astype(np.int64)
    for field in ("gender", "face_score", "second_face_score"):
        columns[field] = columns[field].astype(np.float64)
    boxes = [np.resize(np.asarray(b, np.float64), 4) for b in columns["face_location"]]
    columns["face_location"] = np.array(boxes).reshape(-1, 4)
    lengths = {len(column) for field, column in columns.items() if field != "celeb_names"}
    if len(lengths) != 1:
        raise ValueError(f"columns of different lengths {sorted(lengths)}")
    return columns


def _text(cell: Any) -> str:
    return str(cell[0]) if cell.size else ""


def main() -> None:
    """The child: a `.mat` from standard input, of the given kind, as a `.npz`."""
    import scipy.io  # noqa: F401  # here, so that only the child pays for it, before it has data

    try:
        data = sys.stdin.buffer.read()
        most = _MEMORY + _MEMORY_PER_BYTE * len(data)
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
        out = io.BytesIO()
        np.savez(out, **_parse(data, sys.argv[1]))  # type: ignore[arg-type]
    except Exception as error:  # whatever SciPy meets in a corrupt file is one line to the parent
        sys.exit(f"{type(error).__name__}: {error}")
    sys.stdout.buffer.write(out.getvalue())


if __name__ == "__main__":
    main()
