"""A run's folder, read: its config and its checkpoints."""

import dataclasses
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from agejax.checkpoints import own_data
from agejax.checkpoints.checkpoint import Checkpoints
from agejax.config import from_json, update, validation
from agejax.data.crop_margin import CropMargin
from agejax.errors import UserError
from agejax.metrics.calibration import Calibration
from agejax.models.structure import Structure
from agejax.steps.model_factory import abstract_model
from agejax.types import Weights
from agejax.utils.paths import expanded
from agejax.utils.system_files import is_junk


@dataclasses.dataclass(frozen=True)
class Shipped:
    """What prediction needs of a checkpoint, all of it from the same save.

    Attributes:
      checkpoints: of the run.
      step: of training.
      config: the run's.
      graph: the structure of the model.
      weights: NumPy arrays.
      calibration: fitted on the validation split.
      margin: of the training crops, where it was measured.
    """

    checkpoints: Checkpoints
    step: int
    config: ConfigDict
    graph: Structure
    weights: Weights
    calibration: Calibration
    margin: CropMargin | None = None

    @property
    def where(self) -> str:
        """The checkpoint's folder."""
        return f"{self.checkpoints.folder}/{self.step}"


def open_checkpoints(workdir: Path) -> Checkpoints:
    """The checkpoints of a run.

    Raises:
      UserError: there is no run in `workdir`.
    """
    if not Path(workdir, "checkpoints").is_dir():
        raise UserError(f"{workdir}: there is no trained run here (no folder checkpoints/)")
    return Checkpoints(Path(workdir), read_only=True)


def read_checkpoint(
    path: str | Path,
    which: str = "best",
    dtype: str | None = None,
    accept: Callable[[ConfigDict], None] = lambda _: None,
    trust: Collection[str] = (),
) -> Shipped:
    """What prediction needs of a checkpoint; of the next one, if it is replaced meanwhile.

    Args:
      path: a run's folder, its `checkpoints` folder, or one checkpoint in that.
      which: "best", "latest" or a step, where `path` names no checkpoint itself.
      dtype: what the model is to compute in, in place of the config's.
      accept: is given the config before the weights are read, and raises where it does not suit.
      trust: as of `of_the_run`.

    Raises:
      UserError: there is none, or it holds what this version does not know.
    """
    path = expanded(Path(path))
    if path.parent.name == "checkpoints" and path.name.isdecimal():
        path, which = path.parent, path.name
    checkpoints = open_checkpoints(path.parent if path.name == "checkpoints" else path)

    def read(step: int) -> Shipped:
        config = config_of(checkpoints, step, trust)
        accept(config)
        model = config.copy_and_resolve_references()
        model.model.dtype = dtype or model.model.dtype
        graph, like = abstract_model(model)
        weights = checkpoints.weights(step, like)
        calibration, margin = checkpoints.calibration(step), checkpoints.crop_margin(step)
        return Shipped(checkpoints, step, config, graph, weights, calibration, margin)

    return checkpoints.read(which, read)


def config_of(checkpoints: Checkpoints, step: int, trust: Collection[str] = ()) -> ConfigDict:
    """The config of a checkpoint, less what the user has not said; see `own_data.own`.

    `trust` is as of `of_the_run`.

    Raises:
      UserError: it holds what cannot be meant, what this version does not know, or code that is
        not to be run.
    """
    where = f"{checkpoints.folder}/{step}"
    config = from_json(checkpoints.config(step), where, trust)
    _check(config, where)
    return own_data.own(config, checkpoints.folder.parent)


def _check(config: ConfigDict, where: str) -> None:
    try:
        validation.check_values(config)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def other_than_evaluated(run: Path, step: Any, evaluated: Any) -> str | None:
    """How a run's checkpoint differs from the one of that step that was evaluated.

    Args:
      run: the folder.
      step: which checkpoint was evaluated.
      evaluated: {"weights" | "calibration": hash}, as `Checkpoints.identity` gives it.

    Returns:
      A description; None where it is the same, is gone, or the evaluation did not record it.
    """
    checkpoints = Checkpoints(run, read_only=True)
    if type(step) is not int or not isinstance(evaluated, Mapping):
        return None
    if not (checkpoints.folder / str(step)).is_dir():
        return None
    now = checkpoints.identity(step)
    differ = [part for part in now if evaluated.get(part) != now[part]]
    if not differ:
        return None
    return f"{' and '.join(differ)} other than {checkpoints.folder}/{step} has now"


def licence_of(run: Path) -> str | None:
    """The licence of the data, as recorded by the run's evaluations; None if by none."""
    told = sorted(file for file in (run / "eval").glob("*.json") if not is_junk(file.name))
    for file in (*told, run / "calibrated_from.json"):
        try:
            said = json.loads(file.read_text(encoding="utf-8"))["data"]["about"]["licence"]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            continue
        if said and isinstance(said, str):
            return said
    return None


def of_the_run(
    workdir: Path,
    changes: Mapping[str, Any],
    trust: Collection[str] = (),
    instead: ConfigDict | None = None,
) -> ConfigDict:
    """The config that a run was trained with, changed by `{"section.key": value}`.

    Args:
      workdir: the run.
      changes: what the user has otherwise.
      trust: modules whose code it may name; see `agejax.utils.import_by_name.trusted`.
      instead: a config of the user's own, whose data are taken where those that the run names are
        not known here to be the user's; see `agejax.checkpoints.own_data`. Without it, they are not
        opened.

    Raises:
      UserError: there is no such run, or its config is none of this version.
    """
    config = own_data.own(recorded(workdir, trust), workdir, changes, instead)
    update(config, changes)
    return config


def recorded(workdir: Path, trust: Collection[str] = ()) -> ConfigDict:
    """The config that a run's folder has, as it is: to compare and to copy, not to open data with.

    Raises:
      UserError: as `of_the_run`.
    """
    file = Path(workdir, "config.json")
    open_checkpoints(workdir)
    if not file.is_file():  # training writes it once its data is there
        raise UserError(f"{workdir}: there is no trained run here; its training ended in an error")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not a config ({error})") from error
    config = from_json(text, str(file), trust)
    _check(config, str(file))
    return config
