"""Checkpoints: the only room that knows Orbax.

A checkpoint, `WORKDIR/checkpoints/STEP/`, holds the `weights` that are evaluated and shipped (the
averaged ones where there are any), the rest of the state under `training`, the resolved `config`,
the validation `metrics`, and the `calibration` that validation fitted. The latest and the best are
kept.
"""

import dataclasses
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from orbax.checkpoint import checkpoint_managers as policies

from agejax.errors import UserError
from agejax.train.calibration import Calibration
from agejax.types import TrainState, Tree, Weights, weights_of

logging.set_verbosity(logging.ERROR)  # Orbax tells of every file it touches


class Checkpoints:
    """The checkpoints of a run."""

    def __init__(self, workdir: Path, *, read_only: bool = False):
        """Opens `workdir/checkpoints`; makes it unless `read_only`."""
        self.folder = workdir.absolute() / "checkpoints"
        keep = [
            policies.LatestN(n=1),
            policies.BestN(n=1, reverse=True, get_metric_fn=lambda metrics: metrics["mae"]),
        ]
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policies.AnyPreservationPolicy(keep),
            best_fn=lambda metrics: metrics["mae"],
            best_mode="min",
            enable_async_checkpointing=False,
            cleanup_tmp_directories=not read_only,
            create=not read_only,
            read_only=read_only,
        )
        handlers: dict[str, Any] = {
            "weights": ocp.StandardCheckpointHandler(),
            "training": ocp.StandardCheckpointHandler(),
            "config": ocp.JsonCheckpointHandler(),
            "calibration": ocp.JsonCheckpointHandler(),
        }
        self._manager = ocp.CheckpointManager(self.folder, options=options, item_handlers=handlers)

    def save(
        self, state: TrainState, config: str, validation_mae: float, calibration: Calibration
    ) -> None:
        """Saves a state with the JSON of its config and its calibration.

        `validation_mae` (years) ranks it.
        """
        items = ocp.args.Composite(
            weights=ocp.args.StandardSave(dict(weights_of(state))),
            training=ocp.args.StandardSave(_training(state)),
            config=ocp.args.JsonSave({"json": config}),
            calibration=ocp.args.JsonSave(dataclasses.asdict(calibration)),
        )
        metrics = {"mae": validation_mae}
        self._manager.save(int(state["step"]), args=items, metrics=metrics, force=True)

    def latest(self) -> int | None:
        """The step of the latest checkpoint; None where there is none."""
        return max(self._manager.all_steps(), default=None)

    def find(self, which: str) -> int:
        """The step of the "best" or "latest" checkpoint, or of a number.

        Raises:
          UserError: there is no such checkpoint.
        """
        steps = sorted(self._manager.all_steps())
        named = {str(step): step for step in steps}
        named |= {"best": self._manager.best_step(), "latest": self.latest()}
        if (step := named.get(which)) is not None:
            return step
        there = ", ".join(map(str, steps)) or "none yet"
        raise UserError(f"{self.folder}: there is no checkpoint {which!r}; there are: {there}")

    def config(self, step: int) -> str:
        """The JSON of a checkpoint's config."""
        return self._restore(step, config=ocp.args.JsonRestore())["config"]["json"]

    def calibration(self, step: int) -> Calibration:
        """A checkpoint's calibration; one that changes nothing where it was saved without.

        Raises:
          UserError: it is not one of this version.
        """
        if not (self.folder / str(step) / "calibration").exists():
            return Calibration()
        saved = self._restore(step, calibration=ocp.args.JsonRestore())["calibration"]
        try:
            return Calibration(**saved)
        except TypeError as error:
            raise UserError(f"{self.folder}/{step}: its calibration is odd ({error})") from error

    def weights(self, step: int, like: Weights) -> Weights:
        """A checkpoint's weights as NumPy arrays, for any device; `like` gives their shapes."""
        empty = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), dict(like))
        self._check(step, "weights", empty)
        return self._restore(step, weights=ocp.args.StandardRestore(empty))["weights"]

    def state(self, step: int, like: TrainState) -> TrainState:
        """A checkpoint's state, with the shapes, dtypes and shardings of `like`."""
        shipped, training = dict(weights_of(like)), _training(like)
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, (shipped, training))
        self._check(step, "weights", shipped)
        self._check(step, "training", training)
        restored = self._restore(
            step,
            weights=ocp.args.StandardRestore(abstract[0]),
            training=ocp.args.StandardRestore(abstract[1]),
        )
        state = restored["training"]
        state |= {"ema": restored["weights"]} if like["ema"] else restored["weights"] | {"ema": {}}
        return cast(TrainState, state)

    def _restore(self, step: int, **items: Any) -> Any:
        try:
            return self._manager.restore(step, args=ocp.args.Composite(**items))
        except (ValueError, KeyError, FileNotFoundError) as error:
            raise UserError(f"{self.folder}/{step}: cannot be restored ({error})") from error

    def _check(self, step: int, item: str, like: Tree) -> None:
        """Tells a checkpoint of another model in one line, where Orbax would in a page."""
        try:
            saved = self._manager.item_metadata(step)[item]
        except (ValueError, KeyError, FileNotFoundError) as error:
            raise UserError(f"{self.folder}/{step}: cannot be read ({error})") from error
        ours, theirs = _shapes(like), _shapes(saved)
        if ours != theirs:
            names = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
            name = names[0]
            raise UserError(
                f"{self.folder}/{step} is a checkpoint of another model: {len(names)} arrays "
                f"differ, {name} for one, which is {theirs.get(name, 'missing')} there and "
                f"{ours.get(name, 'missing')} here"
            )


def _training(state: TrainState) -> dict[str, Any]:
    """What a state holds beside the weights that are shipped."""
    shipped = {"ema"} if state["ema"] else {"params", "stats", "ema"}
    return {key: value for key, value in state.items() if key not in shipped}


def _shapes(tree: Tree) -> dict[str, tuple[int, ...]]:
    tree = getattr(tree, "tree", tree)
    leaves = jax.tree_util.tree_leaves_with_path(tree, is_leaf=lambda x: hasattr(x, "shape"))
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): tuple(leaf.shape)
        for path, leaf in leaves
    }
