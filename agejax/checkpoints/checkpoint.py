"""Checkpoints: what a run keeps of its state.

A checkpoint, `WORKDIR/checkpoints/STEP/`, holds the `weights` that are evaluated and shipped (the
averaged ones where there are any), the rest of the state under `training`, the resolved `config`,
the validation `metrics`, the `calibration` that validation fitted, and the manifest by which damage
is found. The latest and the best are kept. Reading one runs no code that it brings.

A run may be read while it is trained: whoever reads looks again where a checkpoint is replaced.
"""

import dataclasses
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import jax
import numpy as np

from agejax.checkpoints import manifest
from agejax.checkpoints.step_folders import Replaced, StepFolders, told
from agejax.checkpoints.stored_arrays import (
    Shapes,
    one_error_alone,
    read_items,
    shapes_of,
    stored_shapes,
    write_items,
)
from agejax.data.crop_margin import CropMargin
from agejax.distributed.initialize import first_alone, is_first, wait_for_all
from agejax.errors import UserError, first_line
from agejax.metrics.calibration import Calibration
from agejax.types import TrainState, Tree, Weights, weights_of
from agejax.utils.atomic_write import write_text
from agejax.utils.notes import warn

_T = TypeVar("_T")

_SHIPPED = ("weights", "config", "calibration", "metrics")  # what all but training reads
_EVALUATED = ("weights", "calibration")  # what figures are of
_TRIES = 3
_WORST = 1e6  # years that an MAE may have
_LOOKS = 5  # at a folder in which a run may be at work
_PAUSE = 0.05  # seconds between two


class Checkpoints:
    """The checkpoints of a run."""

    def __init__(self, workdir: Path, *, read_only: bool = False):
        """Opens `workdir/checkpoints`.

        Unless `read_only`, it is made, what was never finished is removed, and what is damaged is
        named and set aside.
        """
        self.folder = workdir.absolute() / "checkpoints"
        self.margin = CropMargin(doubt="as it was not measured")  # is saved with each checkpoint
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
                for item, tree in items.items():
                    if stored_shapes(folder / item) != shapes_of(tree):
                        raise ValueError(f"what was written of its {item} is not what was saved")
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
        except BaseException:  # a signal
            self._folders.give_up(step)
            raise

    def _write_arrays(self, step: int, items: dict[str, Tree]) -> Path:
        """Writes them to a folder.

        If Orbax loses patience, which it counts by a clock that may jump, to another one: what was
        not waited for may go on writing.
        """
        tries = _TRIES if jax.process_count() == 1 else 1
        with one_error_alone():
            for i in range(tries):
                folder = self._folders.being_written(step, i)
                try:
                    write_items(folder, items)
                    break
                except TimeoutError:
                    if i == tries - 1:
                        raise
        return folder

    def _finish(
        self, folder: Path, config: str, mae: float | None, calibration: Calibration | None
    ) -> None:
        """Adds what stands beside the arrays."""
        beside = {"json": config, "margin": dataclasses.asdict(self.margin)}
        write_text(folder / "config" / "metadata", json.dumps(beside))
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
            here = self._folders / step / "weights"
            shutil.copytree(here, written / "weights", True, _unlisted(here))  # links are links
            to._finish(written, config, validation_mae, calibration)
            to._folders.publish(written, step)
        except OSError as error:
            to._folders.give_up(step)
            raise UserError(
                f"{to.folder}/{step} cannot be written ({first_line(error)})"
            ) from error
        except BaseException:
            to._folders.give_up(step)
            raise

    def check_not_lost(self) -> None:
        """Raises a `UserError` where there are checkpoints, but no whole one to go on from."""
        if self.latest() is not None or not (there := self._folders.lost()):
            return
        said = f"{self.folder} has only what was damaged and set aside ({', '.join(there)})"
        if steps := self._folders.steps():
            last = steps[-1]
            said = f"{told(self._folders / last, self._folders.problems(last))}; no other is whole"
        raise UserError(
            f"{said}: training would begin anew at step 0; put a good checkpoint back, or, to "
            f"begin anew, remove {self.folder} or give another --workdir"
        )

    def latest(self) -> int | None:
        """The step of the latest whole checkpoint; None where there is none."""
        return self._looking(self._latest)

    def _latest(self) -> int | None:
        return next((step for step in reversed(self._folders.steps()) if self._good(step)), None)

    def find(self, which: str) -> int:
        """The step of the "best" or "latest" checkpoint, or of a number.

        Damaged ones are named on stderr, and passed over; without a validated one, the latest is
        the best.

        Raises:
          UserError: there is no such checkpoint, or what was named by its number is damaged.
        """
        return self._looking(lambda: self._find(which))

    def read(self, which: str, of: Callable[[int], _T]) -> _T:
        """What `of(step)` reads of the checkpoint `which`: all of it from one and the same.

        Where that is replaced meanwhile, as by a run that trains on, it reads once more.

        Raises:
          UserError: as `find`, and as `of`.
        """

        def read() -> _T:
            step = self._find(which)
            writing = self._folders.writing(step)
            try:
                found = of(step)
            except Exception as error:
                if self._folders.writing(step) == writing:
                    raise
                raise Replaced(self._folders / step) from error
            if self._folders.writing(step) != writing:
                raise Replaced(self._folders / step)
            return found

        return self._looking(read)

    def _looking(self, look: Callable[[], _T]) -> _T:
        """Looks again where a checkpoint is replaced meanwhile."""
        for _ in range(_LOOKS - 1):
            try:
                return look()
            except Replaced:
                time.sleep(_PAUSE)
        return look()

    def _find(self, which: str) -> int:
        steps = self._folders.steps()
        if which in map(str, steps):
            self._check_whole(int(which), *_SHIPPED)
            return int(which)
        found = None
        if which == "best":
            found = next(filter(self._good, self._ranked()), None)
        if which == "latest" or (which == "best" and found is None):
            found = self._latest()
        if found is not None:
            return found
        if steps != self._folders.steps():
            raise Replaced(self.folder)
        there = ", ".join(str(step) for step in steps if step not in self._damaged) or "none yet"
        raise UserError(f"{self.folder}: there is no checkpoint {which!r}; there are: {there}")

    def identity(self, step: int) -> dict[str, str]:
        """{"weights" | "calibration": a hash of it}: what figures of a checkpoint are of.

        Raises:
          UserError: it is damaged.
        """
        self._check_whole(step, *_EVALUATED)
        return manifest.identity(self._folders / step, _EVALUATED)

    def config(self, step: int) -> str:
        """The JSON of a checkpoint's config."""
        text = self._json(step, "config", "metadata").get("json")
        if not isinstance(text, str):
            raise UserError(f"{self.folder}/{step}: its config is odd")
        return text

    def crop_margin(self, step: int) -> CropMargin | None:
        """That of the training crops; None in a checkpoint of before it was noted."""
        saved = self._json(step, "config", "metadata").get("margin")
        return None if saved is None else CropMargin.read(saved, f"{self.folder}/{step}")

    def calibration(self, step: int) -> Calibration:
        """A checkpoint's calibration; one that changes nothing where it was saved without.

        Raises:
          UserError: it is not one of this version, or not one of its tasks.
        """
        if "calibration/metadata" not in self._listed(step, "calibration"):
            return Calibration()
        saved = self._json(step, "calibration", "metadata")
        try:
            return Calibration.from_json(saved, _classes(self.config(step)))
        except ValueError as error:
            raise UserError(f"{self.folder}/{step}: its calibration is odd ({error})") from error

    def weights(self, step: int, like: Weights) -> Weights:
        """A checkpoint's weights as NumPy arrays, for any device; `like` gives their shapes."""
        empty = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), dict(like))
        return self._restore(step, {"weights": empty}, alone=True)["weights"]

    def state(self, step: int, like: TrainState) -> TrainState:
        """A checkpoint's state, with the shapes, dtypes and shardings of `like`."""
        if not (self._folders / step / "training").exists():
            raise UserError(
                f"{self.folder}/{step} holds weights alone, as `agejax calibrate` writes them; to "
                f"start from them, set config.model.pretrained"
            )
        restored = self._restore(step, _items(like))
        state = restored["training"]
        state |= {"ema": restored["weights"]} if like["ema"] else restored["weights"] | {"ema": {}}
        return cast(TrainState, state)

    def _ranked(self) -> list[int]:
        """The steps that were validated, the best first."""
        mae = {}
        for step in self._folders.steps():
            if self._good(step, "metrics"):
                value = self._json(step, "metrics", "metrics").get("mae")
                if value is None or value != value:  # not validated, or without a finite figure
                    continue
                if type(value) not in (int, float) or not 0 <= value < _WORST:
                    raise UserError(
                        f"{self.folder}/{step}: its metrics are odd: a validation MAE is a number "
                        f"of years, and not {f'{value!r:.40}'}"
                    )
                mae[step] = value
        return sorted(mae, key=lambda step: mae[step])

    def _good(self, step: int, *items: str) -> bool:
        """Whether `items`, by default all that is shipped, are whole; names it if they are not."""
        if wrong := self._folders.problems(step, items or _SHIPPED):
            if step not in self._damaged and is_first():
                warn(f"{told(self._folders / step, wrong)}; passed over")
            self._damaged.add(step)
        return not wrong

    def _check_whole(self, step: int, *items: str) -> None:
        if wrong := self._folders.problems(step, items):
            raise UserError(told(self._folders / step, wrong))

    def _listed(self, step: int, item: str) -> dict[str, list]:
        """What files it consists of, once `item` is found whole."""
        self._check_whole(step, item)
        try:
            return manifest.listed(self._folders / step)
        except OSError as error:
            raise Replaced(self._folders / step) from error

    def _json(self, step: int, item: str, name: str) -> dict[str, Any]:
        file = self.folder / str(step) / item / name
        if f"{item}/{name}" not in self._listed(step, item):
            raise UserError(f"{self._folders / step} has no {item}/{name}")
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise Replaced(self._folders / step) from error
        except (ValueError, RecursionError) as error:
            raise UserError(f"{file}: cannot be read ({first_line(error)})") from error
        if not isinstance(found, dict):
            raise UserError(f"{file}: cannot be read (it is no mapping)")
        return found

    def _restore(self, step: int, like: dict[str, Tree], *, alone: bool = False) -> Any:
        self._check_whole(step, *like)
        folder = self._folders / step
        try:
            for item, tree in like.items():
                check_same_model(str(folder), tree, stored_shapes(folder / item))
            return read_items(folder, like, alone=alone)
        except (UserError, jax.errors.JaxRuntimeError):
            raise  # the second: another process is lost, or the devices are full
        except Exception as error:  # whatever Orbax raises on metadata that somebody made up
            raise UserError(f"{folder}: cannot be restored ({first_line(error)})") from error


def _unlisted(item: Path) -> Callable[[str, list[str]], set[str]]:
    """For `shutil.copytree`: what a checkpoint's manifest does not list, as links beside it."""
    names = [n for n in manifest.listed(item.parent) if n.startswith(f"{item.name}/")]
    files = {item.parent / name for name in names}
    known = files.union(*(file.parents for file in files))
    return lambda folder, names: {name for name in names if Path(folder, name) not in known}


def check_same_model(where: str, like: Tree, theirs: Shapes) -> None:
    """Tells a checkpoint of another model in one line, where Orbax would in pages.

    Args:
      where: names the checkpoint.
      like: the tree that the model has.
      theirs: the shapes of the checkpoint's.

    Raises:
      UserError: they differ.
    """
    ours = shapes_of(like)
    if ours != theirs:
        names = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
        name = names[0]
        raise UserError(
            f"{where} is a checkpoint of another model: {len(names)} arrays differ, {name} for "
            f"one, which is {theirs.get(name, 'missing')} there and {ours.get(name, 'missing')} "
            f"here"
        )


def _classes(config: str) -> dict[str, int]:
    """{task: classes} of a config's JSON, as far as it tells them."""
    try:
        return {name: task["classes"] for name, task in json.loads(config)["tasks"].items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}  # whoever reads the config says what is wrong with it


def _items(state: TrainState) -> dict[str, dict[str, Any]]:
    """A state as it is saved: the weights that are shipped, and what it holds beside them."""
    shipped = {"ema"} if state["ema"] else {"params", "stats", "ema"}
    training = {key: value for key, value in state.items() if key not in shipped}
    return {"weights": dict(weights_of(state)), "training": training}
