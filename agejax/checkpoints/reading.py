"""Reading the checkpoints of a run, which may be replaced meanwhile by a run that trains on."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import jax
import numpy as np

from agejax.checkpoints import manifest
from agejax.checkpoints.items import check_same_model, items_of
from agejax.checkpoints.step_folders import Replaced, StepFolders, told
from agejax.checkpoints.stored_arrays import read_items, stored_shapes
from agejax.data.crop_margin import CropMargin
from agejax.distributed.initialize import is_first
from agejax.errors import UserError, first_line
from agejax.metrics.calibration import Calibration
from agejax.types import TrainState, Tree, Weights
from agejax.utils.notes import warn

_T = TypeVar("_T")

_SHIPPED = ("weights", "config", "calibration", "metrics")  # all that is read but for training
_EVALUATED = ("weights", "calibration")  # what metrics depend on
_WORST = 1e6  # years, the largest validation MAE
_TRIES = 5  # at reading a checkpoint that is replaced meanwhile
_PAUSE = 0.05  # seconds between two


class CheckpointReader:
    """The checkpoints of a run, read without changing anything."""

    def __init__(self, workdir: Path):
        """Reads `workdir/checkpoints`, which need not exist."""
        self.folder = workdir.absolute() / "checkpoints"
        self._folders = StepFolders(self.folder)
        self._damaged: set[int] = set()

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

        Damaged ones are reported on stderr, and skipped; if none was validated, the latest is the
        best.

        Raises:
          UserError: there is no such checkpoint, or the one of that number is damaged.
        """
        return self._looking(lambda: self._find(which))

    def read(self, which: str, of: Callable[[int], _T]) -> _T:
        """What `of(step)` reads of the checkpoint `which`, all of it from the same save.

        It is called again where the checkpoint is replaced meanwhile, as by a run that trains on.

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
        """Calls `look` again where a checkpoint is replaced meanwhile."""
        for _ in range(_TRIES - 1):
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
        """{"weights" | "calibration": hash}, by which evaluations name a checkpoint.

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
        """The margin of the training crops; None in checkpoints that did not record it."""
        saved = self._json(step, "config", "metadata").get("margin")
        return None if saved is None else CropMargin.read(saved, f"{self.folder}/{step}")

    def calibration(self, step: int) -> Calibration:
        """A checkpoint's calibration; the identity where it was saved without one.

        Raises:
          UserError: it has another format, or does not match the tasks.
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
        restored = self._restore(step, items_of(like))
        state = restored["training"]
        state |= {"ema": restored["weights"]} if like["ema"] else restored["weights"] | {"ema": {}}
        return cast(TrainState, state)

    def _ranked(self) -> list[int]:
        """The validated steps, the best first."""
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
        """Whether `items`, by default all but `training`, are intact; damage is reported once."""
        if wrong := self._folders.problems(step, items or _SHIPPED):
            if step not in self._damaged and is_first():
                warn(f"{told(self._folders / step, wrong)}; passed over")
            self._damaged.add(step)
        return not wrong

    def _check_whole(self, step: int, *items: str) -> None:
        if wrong := self._folders.problems(step, items):
            raise UserError(told(self._folders / step, wrong))

    def _listed(self, step: int, item: str) -> dict[str, list]:
        """The manifest's list of files, once `item` has been verified."""
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


def _classes(config: str) -> dict[str, int]:
    """{task: classes} of a config's JSON; {} if it is malformed."""
    try:
        return {name: task["classes"] for name, task in json.loads(config)["tasks"].items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}  # reported where the config is read
