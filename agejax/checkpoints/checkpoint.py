"""The checkpoints of a run, and how they are saved.

A checkpoint, `WORKDIR/checkpoints/STEP/`, holds the `weights` that are evaluated and shipped (the
averaged ones where there are any), the rest of the state under `training`, the resolved `config`,
the validation `metrics`, the `calibration` fitted on the validation split, and a manifest of
hashes. The latest and the best are kept. Reading a checkpoint runs no code of its files.

A run may be read while it is trained: a reader tries again where a checkpoint is replaced.
"""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import jax

from agejax.checkpoints import manifest
from agejax.checkpoints.items import items_of
from agejax.checkpoints.reading import CheckpointReader
from agejax.checkpoints.stored_arrays import (
    one_error_alone,
    shapes_of,
    stored_shapes,
    write_items,
)
from agejax.data.crop_margin import CropMargin
from agejax.distributed.initialize import first_alone, is_first, wait_for_all
from agejax.errors import UserError, first_line
from agejax.metrics.calibration import Calibration
from agejax.types import TrainState, Tree, Weights
from agejax.utils.atomic_write import write_text

_TRIES = 3  # at writing arrays


class Checkpoints(CheckpointReader):
    """The checkpoints of a run, read and saved."""

    def __init__(self, workdir: Path, *, read_only: bool = False):
        """Opens `workdir/checkpoints`.

        Unless `read_only`, the folder is made, unfinished saves are removed, and damaged
        checkpoints are reported and set aside.
        """
        super().__init__(workdir)
        self.margin = CropMargin(doubt="as it was not measured")  # is saved with each checkpoint
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
        self._save(step, items_of(state), config, validation_mae, calibration)
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
        """Saves weights that will not be trained further, with their config and calibration.

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
        except Exception as error:  # full, read-only and failing disks: Orbax raises many types
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
        """Writes the arrays to a folder, and returns it.

        Orbax's timeout uses a clock that may jump. After one, the arrays are written to another
        folder, as the first save may still be writing to its own.
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
        """Writes config, crop margin, metrics and calibration beside the arrays."""
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
        """Copies the weights of a checkpoint to another run, with a new config and calibration.

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


def _unlisted(item: Path) -> Callable[[str, list[str]], set[str]]:
    """For `shutil.copytree`: what a checkpoint's manifest does not list, as links beside it."""
    names = [n for n in manifest.listed(item.parent) if n.startswith(f"{item.name}/")]
    files = {item.parent / name for name in names}
    known = files.union(*(file.parents for file in files))
    return lambda folder, names: {name for name in names if Path(folder, name) not in known}
