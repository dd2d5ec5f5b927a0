"""A run's folder, read: its config and its checkpoints."""

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from agejax import pretrained
from agejax.checkpoints import own_data, weights_file
from agejax.checkpoints.checkpoint import Checkpoints
from agejax.checkpoints.provenance import read_sessions
from agejax.checkpoints.shipped import Shipped
from agejax.config import from_file, from_json, update, validation
from agejax.errors import UserError
from agejax.steps.model_factory import abstract_model
from agejax.utils.notes import note
from agejax.utils.paths import expanded
from agejax.utils.system_files import is_junk


def open_checkpoints(workdir: Path) -> Checkpoints:
    """The checkpoints of a run.

    Raises:
      UserError: there is no run in `workdir`.
    """
    check_is_folder(Path(workdir))
    if not Path(workdir, "checkpoints").is_dir():
        raise UserError(f"{workdir}: there is no trained run here (no folder checkpoints/)")
    return Checkpoints(Path(workdir), read_only=True)


def check_is_folder(run: Path) -> None:
    """Raises a `UserError` for a file of weights, where a run with its data is needed."""
    if run.is_file():
        raise UserError(
            f"{run} is a file; this needs the folder of a run, with its checkpoints and evaluations"
        )


def named_or_packaged(path: str | Path | None) -> Path:
    """The run or file that is named; where none is, the weights in the package, with a note.

    Raises:
      UserError: none is named, and the package has none.
    """
    if path is not None:
        return expanded(Path(path))
    found = pretrained.faces()
    about = pretrained.card()
    note(
        f"no run is named: the weights that come with agejax are used ({about['data']['name']}, "
        f"{about['data']['licence']}; `agejax describe` says what they can and cannot do)",
        beside=True,
    )
    return found


def read_checkpoint(
    path: str | Path | None,
    which: str = "best",
    dtype: str | None = None,
    accept: Callable[[ConfigDict], None] = lambda _: None,
    trust: Collection[str] = (),
) -> Shipped:
    """What prediction needs of a checkpoint; of the next one, if it is replaced meanwhile.

    Args:
      path: a run's folder, its `checkpoints` folder, one checkpoint in that, or a file that
        `agejax export --to weights` wrote; None for the weights in the package.
      which: "best", "latest" or a step, where `path` names no checkpoint itself.
      dtype: what the model is to compute in, in place of the config's.
      accept: is given the config before the weights are read, and raises where it does not suit.
      trust: as of `of_the_run`.

    Raises:
      UserError: there is none, or it holds what this version does not know.
    """
    path = named_or_packaged(path)
    if path.is_file():
        return _of_step(weights_file.read(path, dtype, accept, trust), which)
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
        run = checkpoints.folder.parent
        return Shipped(run, step, config, graph, weights, calibration, margin, licence_of(run))

    return checkpoints.read(which, read)


def _of_step(shipped: Shipped, which: str) -> Shipped:
    if which not in ("best", "latest", str(shipped.step)):
        raise UserError(
            f"{shipped.source}: there is no checkpoint {which!r}; it holds step {shipped.step}"
        )
    return shipped


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
    """The licence of the data, as recorded by the run's evaluations; None if by none.

    That of the data of its teacher is added, if it had one with another licence.
    """
    own, teachers = _licence_of_data(run), _licence_of_teacher(run)
    if teachers is None or teachers == own:
        return own
    return f"{own + '; ' if own else ''}of its teacher: {teachers}"


def _licence_of_teacher(run: Path) -> str | None:
    try:
        said = [session.get("teacher", {}).get("licence") for session in read_sessions(run)]
    except (UserError, OSError):
        return None
    return next((licence for licence in said if licence and isinstance(licence, str)), None)


def _licence_of_data(run: Path) -> str | None:
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


def config_named(path: Path) -> ConfigDict:
    """The config of a run's folder, of a file of weights, or of a config file of the user's own.

    Raises:
      UserError: there is no such run or file, or its config is none of this version.
    """
    if path.is_dir():
        return of_the_run(path, {})
    if path.suffix == weights_file.SUFFIX or weights_file.is_weights_file(path):
        return weights_file.read_config(path)
    return from_file(path)


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
