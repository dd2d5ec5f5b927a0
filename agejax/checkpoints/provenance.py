"""What a run was made with: `run.json`, an entry for each time that training was begun or resumed.

Together with `config.json` it says what it takes to do the run again. `agejax repeat` reads it.
"""

import hashlib
import importlib
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

import agejax
from agejax import config as configs
from agejax.data.faces import Faces
from agejax.errors import UserError
from agejax.types import Weights
from agejax.utils.atomic_write import write_text

# What has a hand in the weights: arithmetic, order, decoding.
_PACKAGES = (
    *("agejax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "ml-collections", "numpy"),
    *("scipy", "grain", "array-record", "tensorflow-datasets", "simplejpeg", "pillow"),
    "opencv-python-headless",
)
_ENVIRONMENT = ("XLA_", "JAX_", "TF_CUDNN", "NVIDIA_TF32", "CUDA_VISIBLE", "LIBTPU")
_OF_NO_MATTER = ("JAX_COMPILATION_CACHE", "JAX_ENABLE_COMPILATION_CACHE", "XLA_PYTHON_CLIENT")
_OF_THE_TIME = (
    *("started.", "command.", "step.", "git.", "evaluated.", "columns."),
    *("teacher.path.", "teacher.step.", "teacher.licence."),
)
_RULE = 2  # of fingerprints; the first left out ends of ranges, and weights of labels


def surroundings(config: ConfigDict, splits: Mapping[str, Faces]) -> dict[str, Any]:
    """What training depends on beside its config.

    Args:
      config: of the run.
      splits: {"train": faces, "validation": faces}, as training sees them.

    Returns:
      {"versions": {package: version}, "code": {module: SHA-256 of its source}, "git": {"commit",
      "dirty"} or None where agejax is in no checkout, "data": as `data_of` gives it,
      "machine": {"system", "cpu", "cores", "devices", "processes"}, "environment", "steps"}.
    """
    return {
        "steps": config.train.steps,  # schedules depend on them
        "versions": {"python": platform.python_version(), **_versions()},
        "code": _code(config),
        "git": _git(Path(agejax.__file__).parent),
        "data": data_of(splits),
        "machine": {
            "system": platform.platform(),
            "cpu": _cpu(),
            "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
            "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
            "processes": jax.process_count(),
        },
        "environment": {
            key: value
            for key, value in sorted(os.environ.items())
            if key.startswith(_ENVIRONMENT) and not key.startswith(_OF_NO_MATTER)
        },
    }


def note_session(
    workdir: Path,
    config: ConfigDict,
    step: int,
    weights: Weights,
    splits: Mapping[str, Faces],
    evaluated: Mapping[str, Faces] | None = None,
    teacher: Mapping[str, Any] | None = None,
) -> None:
    """Adds an entry to `run.json`: training goes on from `step`, with `weights`.

    `evaluated` is what it will be tested on, which has no part in the weights; `teacher` says
    whose distributions it learns.
    """
    evaluated = evaluated or {}
    entry = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.orig_argv[0]).name, *sys.orig_argv[1:]]),
        "step": step,
        "weights": weights_sha256(weights),
        **surroundings(config, splits),
        **({"teacher": dict(teacher)} if teacher else {}),
        "evaluated": data_of(evaluated),
        "columns": {
            split: columns_sha256(faces) for split, faces in {**evaluated, **splits}.items()
        },
    }
    # One that was stopped before its first checkpoint has no part in the weights.
    earlier = [old for old in read_sessions(workdir) if old["step"] < step]
    write_text(workdir / "run.json", json.dumps([*earlier, entry], indent=2) + "\n")


def read_sessions(workdir: Path) -> list[dict[str, Any]]:
    """The entries of `run.json`, in their order; none where there is no such file.

    Raises:
      UserError: it is of another form.
    """
    file = workdir / "run.json"
    if not file.exists():
        return []
    try:
        sessions = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(sessions, list) or not all(map(_is_entry, sessions)):
            raise ValueError("it is no list of what training began with")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise UserError(f"{file}: cannot be read ({error}); move it away to go on") from error
    return sessions


def _is_entry(entry: Any) -> bool:
    """Whether it is of the form of `note_session`'s, as far as it is read."""
    data = entry.get("data", {})
    return (
        type(entry["step"]) is int
        and all(isinstance(entry.get(key, ""), str) for key in ("weights", "command"))
        and isinstance(entry.get("teacher", {}), dict)
        and isinstance(data, dict)
        and all(isinstance(of, dict) for of in data.values())
        and all(isinstance(of.get("sha256", ""), str) for of in data.values())
    )


def differing(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """The lines in which two entries, or surroundings, differ in what may change the weights."""
    a, b = dict(configs.flat(then)), dict(configs.flat(now))
    for key in sorted(a.keys() | b.keys()):
        if a.get(key) != b.get(key) and not f"{key}.".startswith(_OF_THE_TIME):
            yield f"{key} was {_short(a.get(key))} and is {_short(b.get(key))}"


def data_of(splits: Mapping[str, Faces], rules: Mapping[str, int] | None = None) -> dict[str, Any]:
    """{split: {"faces", "sha256", "rule" (where it is not the first)}}.

    `rules` are those of an older entry, by the split, to compare with it.
    """
    found = {}
    for split, faces in splits.items():
        rule = (rules or {}).get(split, _RULE if _newer(faces) else 1)
        found[split] = {"faces": len(faces), "sha256": fingerprint(faces, rule)}
        found[split] |= {"rule": rule} if rule > 1 else {}
    return found


def fingerprint(faces: Faces, rule: int = _RULE) -> str:
    """SHA-256 of faces: their names, labels, persons, images and weights, in their order.

    `rule` 1 leaves out where labels that are ranges end, as entries of before did, and weights;
    without such labels and weights both give the same.
    """
    digest = hashlib.sha256()
    for name, column in sorted(_columns(faces, rule).items()):
        digest.update(_of_column(name, column))
    return digest.hexdigest()


def columns_sha256(faces: Faces) -> dict[str, str]:
    """{column: the beginning of its SHA-256}, to tell which differ."""
    return {
        name: hashlib.sha256(_of_column(name, column)).hexdigest()[:16]
        for name, column in _columns(faces, _RULE).items()
    }


def _columns(faces: Faces, rule: int) -> dict[str, np.ndarray]:
    columns = {"path": faces.path, "sha256": faces.sha256}
    columns |= {} if faces.person is None else {"person": faces.person}
    columns |= {f"label {task}": labels for task, labels in faces.labels.items()}
    columns |= {f"known {task}": known for task, known in faces.known.items()}
    return columns | (_newer(faces) if rule > 1 else {})


def _newer(faces: Faces) -> dict[str, np.ndarray]:
    """The weights of labels, and the last classes of tasks some of whose labels are ranges."""
    weights = {f"weight {task}": of for task, of in faces.label_weights.items()}
    return weights | {
        f"upto {task}": last
        for task, last in faces.upto.items()
        if task in faces.labels and (last != faces.labels[task]).any()
    }


def _of_column(name: str, column: np.ndarray) -> bytes:
    text = column.dtype.kind not in "iufb"
    cells = "\0".join(map(str, column)).encode() if text else column.tobytes()
    return f"{name}\0{len(column)}\0".encode() + cells


def weights_sha256(weights: Weights) -> str:
    """SHA-256 of a model's weights: names, shapes and values."""
    digest = hashlib.sha256()
    for path, x in jax.tree_util.tree_leaves_with_path(dict(weights)):
        digest.update(f"{jax.tree_util.keystr(path)}{x.shape}{x.dtype}\0".encode())
        digest.update(np.ascontiguousarray(x).tobytes())
    return digest.hexdigest()


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def _code(config: ConfigDict) -> dict[str, str]:
    """Of agejax as one, and of each other module that the config names something of."""
    package = Path(agejax.__file__).parent
    ours = {p.relative_to(package).as_posix(): p for p in package.rglob("*.py")}
    digest = hashlib.sha256()
    for name, path in sorted(ours.items()):
        digest.update(f"{name}\0".encode() + path.read_bytes())
    code = {"agejax": digest.hexdigest()}
    written = json.loads(configs.to_json(config))
    named = {str(value).partition(":")[0] for _, value in configs.flat(written)}
    for module in sorted(named & sys.modules.keys()):
        file = getattr(sys.modules[module], "__file__", None)
        if file and module.partition(".")[0] != "agejax":
            code[module] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return code


def _git(folder: Path) -> dict[str, Any] | None:
    def git(*args: str) -> str:
        command = ["git", "-C", str(folder), *args]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=20
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # or it is of what stands around
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _short(value: Any) -> str:
    text = "not there" if value is None else str(value)
    return f"{text[:12]}..." if len(text) == 64 else text
