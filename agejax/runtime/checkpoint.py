"""Checkpoints: the only room that knows Orbax.

A checkpoint, `WORKDIR/checkpoints/STEP/`, holds the `weights` that are evaluated and shipped (the
averaged ones where there are any), the rest of the state under `training`, the resolved `config`,
the validation `metrics`, the `calibration` that validation fitted, and the manifest by which damage
is found. The latest and the best are kept. Reading one runs no code that it brings.
"""

import contextlib
import dataclasses
import json
import math
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from logging import CRITICAL, getLogger
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging

from agejax.errors import UserError, first_line
from agejax.runtime import manifest
from agejax.runtime.cluster import first_alone, is_first, wait_for_all
from agejax.runtime.durable import write_text
from agejax.runtime.step_folders import StepFolders, told
from agejax.train.calibration import Calibration
from agejax.types import TrainState, Tree, Weights, weights_of

logging.set_verbosity(logging.FATAL)  # Orbax tells of every file; its errors are raised, too

_SHIPPED = ("weights", "config", "calibration", "metrics")  # what all but training reads
_SHAPES = "shapes.json"  # those of all arrays, beside the items
_TRIES = 3
_Shapes = dict[str, tuple[int, ...]]


class Checkpoints:
    """The checkpoints of a run."""

    def __init__(self, workdir: Path, *, read_only: bool = False):
        """Opens `workdir/checkpoints`.

        Unless `read_only`, it is made, what was never finished is removed, and what is damaged is
        named and set aside.
        """
        self.folder = workdir.absolute() / "checkpoints"
        self._folders = StepFolders(self.folder)
        self._damaged: set[int] = set()
        if not read_only:
            with first_alone("checkpoints"):
                if is_first():
                    self._folders.tidy()

    def save(
        self,
        state: TrainState,
        config: str,
        validation_mae: float | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        """Saves a state with the JSON of its config and its calibration, durably.

        `validation_mae` (years) ranks it; one without is only ever the latest.

        Raises:
          UserError: the disk takes no more, or is gone; earlier checkpoints are as they were.
        """
        step = int(state["step"])
        self._save(step, _items(state), config, validation_mae, calibration)
        if is_first():
            kept = {step, *self._ranked()[:1]}
            for other in self._folders.steps():
                if other not in kept:
                    self._folders.remove(other)
        wait_for_all("saved")

    def save_weights(
        self,
        step: int,
        weights: Weights,
        config: str,
        validation_mae: float,
        calibration: Calibration,
    ) -> None:
        """Saves weights that nobody will train on, with what they are to ship with.

        Raises:
          UserError: the disk takes no more, or is gone.
        """
        self._save(step, {"weights": dict(weights)}, config, validation_mae, calibration)

    def _save(
        self,
        step: int,
        items: dict[str, Tree],
        config: str,
        validation_mae: float | None,
        calibration: Calibration | None,
    ) -> None:
        try:
            if is_first():
                self._folders.give_up(step)
            wait_for_all("save")
            folder = self._write_arrays(step, items)
            if is_first():
                shapes = {item: _shapes(tree) for item, tree in items.items()}
                write_text(folder / _SHAPES, json.dumps(shapes))
                self._finish(folder, config, validation_mae, calibration)
                self._folders.publish(folder, step)
                self._folders.give_up(step)  # what other tries have left
        except Exception as error:  # full, read-only and failing disks: Orbax knows many words
            if jax.process_count() > 1 and isinstance(error, jax.errors.JaxRuntimeError):
                raise  # another process is lost
            self._folders.give_up(step)
            raise UserError(
                f"{self.folder}/{step}: this checkpoint cannot be saved ({first_line(error)}); "
                f"earlier ones are as they were: make room, and run the same command again"
            ) from error

    def _write_arrays(self, step: int, items: dict[str, Tree]) -> Path:
        """Writes them to a folder.

        If Orbax loses patience, which it counts by a clock that may jump, to another one: what was
        not waited for may go on writing.
        """
        saves = {item: ocp.args.StandardSave(tree) for item, tree in items.items()}
        tries = _TRIES if jax.process_count() == 1 else 1
        with _one_error_alone():
            for i in range(tries):
                folder = self._folders.being_written(step, i)
                try:
                    with _orbax() as orbax:
                        orbax.save(folder, args=ocp.args.Composite(**saves))
                    break
                except TimeoutError:
                    if i == tries - 1:
                        raise
        return folder

    def _finish(
        self, folder: Path, config: str, mae: float | None, calibration: Calibration | None
    ) -> None:
        """Adds what stands beside the arrays."""
        write_text(folder / "config" / "metadata", json.dumps({"json": config}))
        write_text(folder / "metrics" / "metrics", json.dumps({"mae": mae}))
        if calibration is not None:
            text = json.dumps(dataclasses.asdict(calibration))
            write_text(folder / "calibration" / "metadata", text)

    def copy(
        self,
        step: int,
        to: "Checkpoints",
        config: str,
        validation_mae: float,
        calibration: Calibration,
    ) -> None:
        """Writes the weights of a checkpoint to another run's, with what they are to ship with.

        Raises:
          UserError: they are damaged, or the disk takes no more.
        """
        self._check_whole(step, "weights")
        written = to._folders.being_written(step)
        try:
            ours = self._folders / step / "weights"
            shutil.copytree(ours, written / "weights", True, _unlisted(ours))  # links are links
            shapes = {"weights": self._saved_shapes(step, "weights")}
            write_text(written / _SHAPES, json.dumps(shapes))
            to._finish(written, config, validation_mae, calibration)
            to._folders.publish(written, step)
        except OSError as error:
            to._folders.give_up(step)
            raise UserError(
                f"{to.folder}/{step} cannot be written ({first_line(error)})"
            ) from error

    def latest(self) -> int | None:
        """The step of the latest whole checkpoint; None where there is none."""
        return next((step for step in reversed(self._folders.steps()) if self._good(step)), None)

    def find(self, which: str) -> int:
        """The step of the "best" or "latest" checkpoint, or of a number.

        Damaged ones are named on stderr, and passed over; without a validated one, the latest is
        the best.

        Raises:
          UserError: there is no such checkpoint, or what was named by its number is damaged.
        """
        steps = self._folders.steps()
        if which in map(str, steps):
            self._check_whole(int(which), *_SHIPPED)
            return int(which)
        found = None
        if which == "best":
            found = next(filter(self._good, self._ranked()), None)
        if which == "latest" or (which == "best" and found is None):
            found = self.latest()
        if found is not None:
            return found
        there = ", ".join(str(step) for step in steps if step not in self._damaged) or "none yet"
        raise UserError(f"{self.folder}: there is no checkpoint {which!r}; there are: {there}")

    def config(self, step: int) -> str:
        """The JSON of a checkpoint's config."""
        text = self._json(step, "config", "metadata").get("json")
        if not isinstance(text, str):
            raise UserError(f"{self.folder}/{step}: its config is odd")
        return text

    def calibration(self, step: int) -> Calibration:
        """A checkpoint's calibration; one that changes nothing where it was saved without.

        Raises:
          UserError: it is not one of this version.
        """
        if not (self.folder / str(step) / "calibration").exists():
            self._check_whole(step, "calibration")
            return Calibration()
        saved = self._json(step, "calibration", "metadata")
        try:
            return Calibration(**saved)
        except TypeError as error:
            raise UserError(f"{self.folder}/{step}: its calibration is odd ({error})") from error

    def weights(self, step: int, like: Weights) -> Weights:
        """A checkpoint's weights as NumPy arrays, for any device; `like` gives their shapes."""
        empty = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), dict(like))
        return self._restore(step, _orbax({jax.process_index()}), weights=empty)["weights"]

    def state(self, step: int, like: TrainState) -> TrainState:
        """A checkpoint's state, with the shapes, dtypes and shardings of `like`."""
        if not (self._folders / step / "training").exists():
            raise UserError(
                f"{self.folder}/{step} holds weights alone, as `agejax calibrate` writes them; to "
                f"start from them, set config.model.pretrained"
            )
        restored = self._restore(step, _orbax(), **_items(like))
        state = restored["training"]
        state |= {"ema": restored["weights"]} if like["ema"] else restored["weights"] | {"ema": {}}
        return cast(TrainState, state)

    def _ranked(self) -> list[int]:
        """The steps that were validated, the best first."""
        mae = {}
        for step in self._folders.steps():
            if self._good(step, "metrics"):
                with contextlib.suppress(TypeError, KeyError):
                    mae[step] = float(self._json(step, "metrics", "metrics")["mae"])
        return sorted((s for s in mae if not math.isnan(mae[s])), key=lambda step: mae[step])

    def _good(self, step: int, *items: str) -> bool:
        """Whether `items`, by default all that is shipped, are whole; names it if they are not."""
        if wrong := self._folders.problems(step, items or _SHIPPED):
            if step not in self._damaged and is_first():
                print(f"{told(self._folders / step, wrong)}; passed over", file=sys.stderr)
            self._damaged.add(step)
        return not wrong

    def _check_whole(self, step: int, *items: str) -> None:
        if wrong := self._folders.problems(step, items):
            raise UserError(told(self._folders / step, wrong))

    def _json(self, step: int, item: str, name: str) -> dict[str, Any]:
        self._check_whole(step, item)
        file = self.folder / str(step) / item / name
        try:
            return dict(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise UserError(f"{file}: cannot be read ({error})") from error

    def _restore(self, step: int, reader: ocp.Checkpointer, **like: Tree) -> Any:
        self._check_whole(step, *like)
        try:
            with reader as orbax:
                for item, tree in like.items():
                    self._check_model(step, tree, self._saved_shapes(step, item))
                # NumPy's come back as such; a bare shape would ask for the devices it was saved on.
                abstract = jax.tree.map(
                    lambda x: (
                        x if isinstance(x, np.ndarray) else ocp.utils.to_shape_dtype_struct(x)
                    ),
                    like,
                )
                items = {k: ocp.args.StandardRestore(v) for k, v in abstract.items()}
                return orbax.restore(self._folders / step, args=ocp.args.Composite(**items))
        except (ValueError, KeyError, OSError) as error:
            raise UserError(
                f"{self.folder}/{step}: cannot be restored ({first_line(error)})"
            ) from error

    def _saved_shapes(self, step: int, item: str) -> _Shapes:
        """Of the arrays of an item; Orbax takes a third of a restore to tell them."""
        file = self._folders / step / _SHAPES
        if file.exists():  # not beside checkpoints of an older agejax
            return {k: tuple(v) for k, v in json.loads(file.read_bytes())[item].items()}
        return _shapes(ocp.StandardCheckpointHandler().metadata(self._folders / step / item))

    def _check_model(self, step: int, like: Tree, theirs: _Shapes) -> None:
        """Tells a checkpoint of another model in one line, where Orbax would in pages."""
        ours = _shapes(like)
        if ours != theirs:
            names = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
            name = names[0]
            raise UserError(
                f"{self.folder}/{step} is a checkpoint of another model: {len(names)} arrays "
                f"differ, {name} for one, which is {theirs.get(name, 'missing')} there and "
                f"{ours.get(name, 'missing')} here"
            )


def _unlisted(item: Path) -> Callable[[str, list[str]], set[str]]:
    """For `shutil.copytree`: what a checkpoint's manifest does not list, as links beside it."""
    files = {item.parent / name for name in manifest.listed(item.parent, item.name)}
    known = files.union(*(file.parents for file in files))
    return lambda folder, names: {name for name in names if Path(folder, name) not in known}


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
def _one_error_alone() -> Iterator[None]:
    """Within, and after it where it fails, as a save on a full disk does, its one error is told.

    Orbax begins many writes at once; those that fail beside the first would print pages.
    """
    hook, loops = sys.unraisablehook, getLogger("asyncio")
    level = loops.level

    def quiet(told: Any) -> None:
        if not (told.exc_type is RuntimeError and str(told.exc_value) == "Event loop is closed"):
            hook(told)

    sys.unraisablehook = quiet
    loops.setLevel(CRITICAL)
    try:
        yield
    except Exception:
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        raise
    sys.unraisablehook = hook
    loops.setLevel(level)


def _items(state: TrainState) -> dict[str, dict[str, Any]]:
    """A state as it is saved: the weights that are shipped, and what it holds beside them."""
    shipped = {"ema"} if state["ema"] else {"params", "stats", "ema"}
    training = {key: value for key, value in state.items() if key not in shipped}
    return {"weights": dict(weights_of(state)), "training": training}


def _shapes(tree: Tree) -> _Shapes:
    tree = getattr(tree, "tree", tree)
    leaves = jax.tree_util.tree_leaves_with_path(tree, is_leaf=lambda x: hasattr(x, "shape"))
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): tuple(leaf.shape)
        for path, leaf in leaves
    }
