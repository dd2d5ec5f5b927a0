"""A model in one file of safetensors, whose metadata holds what prediction needs beside the arrays.

It is read like any foreign file: no code of it is run, its arrays are compared with those of the
network that its config describes before they are read, and a hash covers all of it.
"""

import dataclasses
import hashlib
import json
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

import agejax
from agejax import pretrained
from agejax.checkpoints import own_data
from agejax.checkpoints.items import check_same_model
from agejax.checkpoints.shipped import Shipped
from agejax.config import from_json, to_json, validation
from agejax.data.crop_margin import CropMargin
from agejax.errors import UserError, first_line
from agejax.metrics.calibration import Calibration
from agejax.pretrained import safetensors_format as safetensors
from agejax.steps.model_factory import abstract_model
from agejax.types import Tree, Weights

SUFFIX = ".safetensors"
DTYPES = ("float16", "float32")
_FORMAT, _VERSION = "agejax", "1"
_KEYS = {
    *("format", "version", "agejax", "step", "config", "calibration", "margin", "licence"),
    "sha256",
}
_MAX_HEADER = 16 << 20  # bytes
_LONGEST_LICENCE = 1000  # characters


def write(file: IO[bytes], shipped: Shipped, dtype: str = "float16") -> str:
    """Writes a model, and returns the hash by which the file names its contents.

    Args:
      file: open for writing bytes.
      shipped: the model; what its config names of this machine is left out.
      dtype: of the arrays with two axes and more, "float16" or "float32". Vectors, such as biases
        and running statistics, are stored as they are: they take no space.

    Raises:
      UserError: a value is not finite, or too large for `dtype`.
    """
    arrays = {name: _stored(name, x, dtype) for name, x in _flat(dict(shipped.weights)).items()}
    margin = None if shipped.margin is None else dataclasses.asdict(shipped.margin)
    metadata = {
        "format": _FORMAT,
        "version": _VERSION,
        "agejax": agejax.__version__,
        "step": str(shipped.step),
        "config": to_json(own_data.public(shipped.config)),
        "calibration": json.dumps(dataclasses.asdict(shipped.calibration)),
        "margin": json.dumps(margin),
        "licence": (shipped.licence or "")[:_LONGEST_LICENCE],
    }
    digest = _digest(metadata, ((name, arrays[name]) for name in sorted(arrays)))
    safetensors.write(file, arrays, metadata | {"sha256": digest})
    return digest


def is_weights_file(path: Path) -> bool:
    """Whether a path is a file that `write` wrote, as far as its header says."""
    try:
        with _opened(path) as (_, header):
            return header.metadata.get("format") == _FORMAT
    except (UserError, OSError):
        return False


def contents_hash(path: Path) -> str:
    """The hash by which a file names its contents; `read` verifies it.

    Raises:
      UserError: as `read`.
    """
    with _opened(path) as (_, header):
        return _metadata(path, header)["sha256"]


def read_config(path: Path, trust: Collection[str] = ()) -> ConfigDict:
    """The config of a file, checked, with no data.

    Raises:
      UserError: as `read`.
    """
    with _opened(path) as (_, header):
        return _config(path, _metadata(path, header), trust)


def read(
    path: Path,
    dtype: str | None = None,
    accept: Callable[[ConfigDict], None] = lambda _: None,
    trust: Collection[str] = (),
) -> Shipped:
    """A model from a file.

    Memory is bounded by the size of the network, however large the file is.

    Args:
      path: the file.
      dtype: what the model is to compute in, in place of the config's.
      accept: is given the config before the arrays are read, and raises where it does not suit.
      trust: modules whose code the config may name; see `agejax.utils.import_by_name.trusted`.

    Raises:
      UserError: it is no such file, damaged, of another version, or names code that is not to be
        run.
      OSError: it cannot be opened.
    """
    with _opened(path) as (file, header):
        metadata = _metadata(path, header)
        config = _config(path, metadata, trust)
        accept(config)
        model = config.copy_and_resolve_references()
        model.model.dtype = dtype or model.model.dtype
        graph, like = abstract_model(model)
        _check_arrays(path, dict(like), header)
        body = file.read(header.size)
    stored = safetensors.arrays_of(header, body) if len(body) == header.size else {}
    found = _digest(metadata, ((name, stored[name]) for name in sorted(stored)))
    if found != metadata["sha256"]:
        raise UserError(f"{path} is damaged: it is not what was written; get it again")
    if (pinned := pretrained.pinned(path)) is not None and found != pinned:
        raise UserError(f"{path} is not the file that agejax was published with; install it again")
    return Shipped(
        source=path,
        step=_step(path, metadata["step"]),
        config=config,
        graph=graph,
        weights=_weights(path, like, stored),
        calibration=_calibration(path, metadata["calibration"], config),
        margin=_margin(path, metadata["margin"]),
        licence=metadata["licence"] or None,
    )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], safetensors.Header]]:
    """A file, opened where its arrays start, and its header."""
    other = f"{path}: not a run, nor a file that `agejax export --to weights` wrote"
    if not path.is_file():
        raise UserError(other)
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        start = file.read(9)
        length = safetensors.header_length(start, status.st_size)
        if not stat.S_ISREG(status.st_mode) or length is None or length > _MAX_HEADER:
            raise UserError(other)
        size = status.st_size - 8 - length
        try:
            header = safetensors.parse(start[8:] + file.read(length - 1), size)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(f"{path} is damaged: {first_line(error)}") from error
        yield file, header


def _metadata(path: Path, header: safetensors.Header) -> dict[str, str]:
    found = header.metadata
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise UserError(f"{path}: not a run, nor a file that `agejax export --to weights` wrote")
    if found.get("version") != _VERSION:
        theirs = f"{found.get('version')!r:.20}"
        raise UserError(
            f"{path} has version {theirs} of this format; this agejax reads version {_VERSION}"
        )
    if found.keys() != _KEYS or not all(isinstance(text, str) for text in found.values()):
        raise UserError(f"{path} is damaged: its metadata is not {', '.join(sorted(_KEYS))}")
    return found


def _config(path: Path, metadata: Mapping[str, str], trust: Collection[str]) -> ConfigDict:
    config = from_json(metadata["config"], str(path), trust)
    try:
        validation.check_values(config)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return own_data.own(config, path)


def _check_arrays(path: Path, like: Tree, header: safetensors.Header) -> None:
    """Compares what a file holds with the arrays of its network, by the header alone."""
    check_same_model(str(path), like, {name: e.shape for name, e in header.entries.items()})
    if sum(entry.end - entry.start for entry in header.entries.values()) != header.size:
        raise UserError(f"{path} is damaged: it holds more than its arrays")
    for name, x in _flat(like).items():
        theirs = header.entries[name].dtype
        if theirs != x.dtype and not (_is_float(theirs) and _is_float(x.dtype)):
            raise UserError(f"{path}: {name} is of dtype {theirs}, and not {x.dtype}")


def _weights(path: Path, like: Weights, stored: Mapping[str, np.ndarray]) -> Weights:
    def take(keys: Any, x: Any) -> np.ndarray:
        name = _name(keys)
        found = stored[name].astype(x.dtype)
        if _is_float(found.dtype) and not np.isfinite(found).all():
            raise UserError(f"{path}: {name} holds values that are not finite numbers")
        return found

    taken = jax.tree_util.tree_map_with_path(take, dict(like))
    return Weights(params=taken["params"], stats=taken["stats"])


def _step(path: Path, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 12):
        raise UserError(f"{path}: its step is {text!r:.40}; it must be a number")
    return int(text)


def _calibration(path: Path, text: str, config: ConfigDict) -> Calibration:
    classes = {name: task.classes for name, task in config.tasks.items()}
    try:
        return Calibration.from_json(json.loads(text), classes)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: its calibration is not valid ({first_line(error)})") from error


def _margin(path: Path, text: str) -> CropMargin | None:
    try:
        saved = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: its margin is not valid ({first_line(error)})") from error
    return None if saved is None else CropMargin.read(saved, str(path))


def _stored(name: str, x: np.ndarray, dtype: str) -> np.ndarray:
    if not _is_float(x.dtype):
        return x
    with np.errstate(over="ignore"):
        stored = x.astype(dtype) if x.ndim > 1 else x.astype(np.float32)
    if not np.isfinite(stored).all():
        finite = bool(np.isfinite(np.asarray(x, np.float64)).all())
        why = "values too large for float16; use float32" if finite else "values that are no number"
        raise UserError(f"the weights {name} have {why}")
    return stored


def _digest(metadata: Mapping[str, str], arrays: Any) -> str:
    """SHA-256 of all texts but itself, and of all arrays with their names, dtypes and shapes."""
    texts = {key: text for key, text in metadata.items() if key != "sha256"}
    digest = hashlib.sha256(json.dumps(texts, sort_keys=True).encode())
    for name, x in arrays:
        digest.update(f"\n{json.dumps(name)} {x.dtype.name} {list(x.shape)}\n".encode())
        digest.update(np.ascontiguousarray(x).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _flat(tree: Tree) -> dict[str, Any]:
    return {_name(keys): x for keys, x in jax.tree_util.tree_leaves_with_path(tree)}


def _name(keys: Any) -> str:
    return jax.tree_util.keystr(keys, simple=True, separator=".")


def _is_float(dtype: Any) -> bool:
    return bool(jnp.issubdtype(dtype, jnp.floating))
