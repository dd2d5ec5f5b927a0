"""Arrays in files: the only module that uses Orbax, and TensorStore below it.

An item is a folder with the arrays of a tree; a checkpoint has several. Whatever the folder is
called, Orbax is given a path of plain characters: it looks for its own files by patterns.
"""

import contextlib
import gc
import json
import math
import re
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import tensorstore as ts

from agejax.errors import first_line
from agejax.types import Tree
from agejax.utils.quiet import no_records, no_unraisable, no_warnings

Shapes = dict[str, tuple[int, ...]]

_PLAIN = re.compile(r"[A-Za-z0-9_/.,=@+-]+")
_PLACES = ("/tmp", "/var/tmp", "/dev/shm")  # for links, where the system's own is not plain
# Orbax tells of every file; its errors are raised, too.
_quiet_orbax = no_records("absl", "orbax")
_QUIET_LEFTOVERS = (
    no_records("asyncio"),
    no_unraisable(RuntimeError, "Event loop is closed"),
    no_warnings("coroutine .* was never awaited", RuntimeWarning),
)
_LONGEST = 60.0  # seconds to wait for a thread
_STILL_READING = 0.2  # seconds after an error
_NUMBERS = re.compile(r"[<>|][biuf]([1248])|bfloat16|float8_\w{1,20}|u?int[24]")


@contextlib.contextmanager
def _failing_together() -> Iterator[None]:
    """After an error, waits for Orbax's other threads, which would log theirs later."""
    try:
        yield
    except BaseException:
        for thread in threading.enumerate():
            if type(thread).__module__.startswith("orbax."):
                thread.join(_LONGEST)
        raise


def write_items(folder: Path, items: Mapping[str, Tree]) -> None:
    """Writes trees of arrays to a folder that is not there yet; all processes together.

    Raises:
      Exception: of many kinds; `TimeoutError` where Orbax has lost patience.
    """
    saves = {item: ocp.args.StandardSave(tree) for item, tree in items.items()}
    with (
        _quiet_orbax(),
        _failing_together(),
        _plain_path(folder.parent) as parent,
        _orbax() as orbax,
    ):
        orbax.save(parent / folder.name, args=ocp.args.Composite(**saves))


def read_items(folder: Path, like: Mapping[str, Tree], *, alone: bool = False) -> dict[str, Any]:
    """Those trees, with the shapes, dtypes and shardings of `like`; of NumPy's arrays, such.

    Args:
      folder: that `write_items` wrote.
      like: {item: tree}; the shapes must be those of `stored_shapes`.
      alone: whether this process reads by itself, else all do together.

    Raises:
      Exception: of many kinds.
    """
    # NumPy's come back as such; a bare shape would ask for the devices it was saved on.
    abstract = jax.tree.map(
        lambda x: x if isinstance(x, np.ndarray) else ocp.utils.to_shape_dtype_struct(x),
        dict(like),
    )
    items = {item: ocp.args.StandardRestore(tree) for item, tree in abstract.items()}
    processes = {jax.process_index()} if alone else None
    with (
        one_error_alone(),  # a run that trains may remove what is read
        _quiet_orbax(),
        _plain_path(folder.parent) as parent,
        _orbax(processes) as orbax,
    ):
        return orbax.restore(parent / folder.name, args=ocp.args.Composite(**items))


def shapes_of(tree: Tree) -> Shapes:
    """{name: shape} of the arrays of a tree; names are keys joined by dots."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): tuple(leaf.shape)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def stored_shapes(item: Path) -> Shapes:
    """{name: shape} of the arrays that the database in an item's folder holds, not what is told.

    It is opened as a restore opens it, in some milliseconds; so this also shows that it can be.
    An array whose parts would be larger than itself is refused: they are allocated as they are
    said to be.

    Raises:
      ValueError: an array is missing, or is not one.
      OSError: a file cannot be read.
    """
    names = _names(item)
    with _plain_path(item.parent) as parent:
        base = {"driver": "file", "path": f"{parent / item.name}/"}
        store = ts.KvStore.open({"driver": "ocdbt", "base": base}).result()
        found = {name: store.read(f"{name}/.zarray") for name in names}
        return {name: _shape(name, of.result().value) for name, of in found.items()}


def unopened(folder: Path) -> list[str]:
    """What of a checkpoint, whole or not, cannot be opened: a short phrase each."""
    wrong = []
    for item in filter(Path.is_dir, (folder / "weights", folder / "training")):
        try:
            stored_shapes(item)
        except Exception as error:  # whatever TensorStore raises
            wrong.append(f"its {item.name} cannot be opened ({first_line(error)})")
    return wrong


def _names(item: Path) -> list[str]:
    """Of the arrays that Orbax will look for."""
    try:
        told = json.loads((item / "_METADATA").read_bytes())
        if told["use_ocdbt"] is not True or told["use_zarr3"] is not False:
            raise ValueError("another layout than agejax writes")
        leaves = [leaf for leaf in told["tree_metadata"].values() if _is_array(leaf)]
        return [".".join(str(key["key"]) for key in leaf["key_metadata"]) for leaf in leaves]
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"its _METADATA is not what agejax writes ({error!r:.80})") from error


def _is_array(leaf: Any) -> bool:
    """Not so an empty part of a tree."""
    return leaf["value_metadata"]["skip_deserialize"] is False


def _shape(name: str, value: bytes) -> tuple[int, ...]:
    try:
        told = json.loads(value or b"null")
        shape, chunks, dtype = told["shape"], told["chunks"], told["dtype"]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ValueError(f"the array {name} is missing, or cannot be read") from error
    if not isinstance(dtype, str) or not _NUMBERS.fullmatch(dtype):
        raise ValueError(f"the array {name} is of no numbers")
    if not all(
        isinstance(of, list) and all(type(n) is int and n >= 0 for n in of)
        for of in (shape, chunks)
    ):
        raise ValueError(f"the array {name} has no shape")
    if math.prod(chunks) > max(math.prod(shape), 1):
        raise ValueError(f"the array {name} has parts that are larger than it")
    return tuple(shape)


@contextlib.contextmanager
def _plain_path(folder: Path) -> Iterator[Path]:
    """A path to a folder that TensorStore takes as it is: its own, or that of a link."""
    if ".." in folder.parts or str(folder).startswith("//"):  # TensorStore takes neither
        folder = folder.resolve()
    if _PLAIN.fullmatch(str(folder)):
        yield folder
        return
    with contextlib.ExitStack() as stack:
        for place in (tempfile.gettempdir(), *_PLACES):
            with contextlib.suppress(OSError):
                if _PLAIN.fullmatch(place):
                    private = stack.enter_context(tempfile.TemporaryDirectory(dir=place))
                    link = Path(private, "checkpoints")
                    link.symlink_to(folder)
                    break
        else:  # what is written is opened before it counts, so that nothing is lost silently
            link = folder
        yield link


def _orbax(processes: set[int] | None = None) -> ocp.Checkpointer:
    """For what these processes do together, by default all of the run."""
    items = {item: ocp.StandardCheckpointHandler() for item in ("weights", "training")}
    # Where they are named, Orbax has them meet without a step of their devices, which would get
    # among those of the training that goes on.
    processes = processes or set(range(jax.process_count()))
    options = ocp.options.MultiprocessingOptions(min(processes), processes)
    return ocp.Checkpointer(
        ocp.CompositeCheckpointHandler(**items), multiprocessing_options=options
    )


@contextlib.contextmanager
def one_error_alone() -> Iterator[None]:
    """Within, if a save or a restore fails, as on a full disk, one error is reported.

    Orbax begins many reads or writes at once. Those that fail after the first would print pages,
    most of them when what they have left is collected.
    """
    with contextlib.ExitStack() as stack:
        for quiet in _QUIET_LEFTOVERS:
            stack.enter_context(quiet())
        try:
            yield
        except Exception as error:
            _collect_leftovers(error)
            raise


def _collect_leftovers(error: BaseException) -> None:
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain:
        chain.append(at)
        traceback.clear_frames(at.__traceback__)
        at = at.__cause__ or at.__context__
    time.sleep(_STILL_READING)  # TensorStore's threads, which tell a loop that is closed
    gc.collect()
