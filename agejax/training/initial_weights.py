"""Starts a model from published weights, or from those of another run."""

from pathlib import Path

from ml_collections import ConfigDict

from agejax.checkpoints.run_dir import read_checkpoint
from agejax.checkpoints.weights_file import is_weights_file
from agejax.config import modules_of, tasks
from agejax.errors import UserError, first_line
from agejax.models.structure import Structure
from agejax.models.weight_mapping import Report, carry_over, load_pretrained
from agejax.pretrained.readers import read_weights
from agejax.steps.model_factory import make_model
from agejax.types import Weights
from agejax.utils.import_by_name import is_name, name_of, resolve
from agejax.utils.notes import note


def first_model(config: ConfigDict, *, fresh: bool) -> tuple[Structure, Weights]:
    """The model before the first step; a run that is resumed needs no others to start from.

    Raises:
      UserError: as `start_from_pretrained`, or the trunk does not suit its arguments.
    """
    graph, weights = make_model(config)
    if fresh and config.model.pretrained:
        weights, report = start_from_pretrained(config, weights)
        note(str(report))
    return graph, weights


def path_of_model(named: str, key: str) -> Path:
    """The path that a config has as `key`, or that a function returns whose name it has there.

    Raises:
      UserError: the name cannot be imported, or what it names returns no path.
    """
    if not is_name(named):
        return Path(named)
    function = resolve(named)
    try:
        return Path(function())
    except UserError:
        raise
    except Exception as error:  # any callable of the user's can be named
        raise UserError(
            f"config.{key} is {named}, which returns no path ({first_line(error)})"
        ) from error


def start_from_pretrained(config: ConfigDict, weights: Weights) -> tuple[Weights, Report]:
    """`weights` with those named in `config.model.pretrained` loaded, as far as they match.

    From published weights the trunk is loaded; from another run, one of its checkpoints or a file
    that `agejax export --to weights` wrote also the heads of equal tasks and shapes.

    Raises:
      UserError: there is no such file or run, it does not match, or the trunk defines no published
        weights.
    """
    named = config.model.pretrained
    path = path_of_model(named, "model.pretrained")
    if path.is_dir() or is_weights_file(path):
        return _from_run(config, weights, path)
    if not path.is_file():
        raise UserError(f"config.model.pretrained is {named}; there is no such file or run")
    trunk = config.model.trunk
    if not hasattr(trunk, "published"):
        raise UserError(
            f"config.model.pretrained is {named}, but {trunk.__name__} has no published() with "
            f"the published names of its parts; see agejax/models/resnet.py"
        )
    return load_pretrained(weights, read_weights(path), trunk.published(), str(path))


def _from_run(config: ConfigDict, weights: Weights, path: Path) -> tuple[Weights, Report]:
    shipped = read_checkpoint(path, trust=modules_of(config))
    theirs, where = shipped.config, shipped.where
    if theirs.model.members:
        raise UserError(f"config.model.pretrained: {where} is an ensemble; name one of its members")
    ours, others = (tasks.read(of.tasks) for of in (config, theirs))
    same = [name for name in ours.keys() & others.keys() if ours[name].head is others[name].head]
    expects = _fed(theirs)
    if expects != _fed(config):
        expects += f"; this run has {_fed(config)}"
    return carry_over(weights, shipped.weights, same, where, expects)


def _fed(config: ConfigDict) -> str:
    return f"{config.data.size} pixels a side, {name_of(config.model.normalise)}"
