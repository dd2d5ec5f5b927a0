"""The faces whose labels are audited: of a table, a data set, a config, or folds of a training."""

from collections.abc import Callable, Collection
from pathlib import Path

from ml_collections import ConfigDict

from agejax import config as configs
from agejax.auditing.trained_folds import Predicted, is_folder_of_folds, of_folds
from agejax.data.faces import Faces
from agejax.data.imdb_wiki import of_folder
from agejax.data.joined import all_splits
from agejax.data.own_faces import own_faces
from agejax.errors import UserError


def check_one(source: object, config: object) -> None:
    """Raises a `UserError` unless just one of them is given."""
    if (source is None) == (config is None):
        raise UserError("name either a table (or a data set), or a config by --config")


def open_source(
    source: Path | None,
    config: ConfigDict | None = None,
    root: str | None = None,
    split: str = "all",
    trust: Collection[str] = (),
) -> tuple[Faces, Predicted | None]:
    """All faces of a source, or those of one split; and what a training's folds predict for them.

    Args:
      source: a table, a folder that `agejax pack` wrote, a built data set, such as
        `~/tensorflow_datasets/imdb_wiki/imdb/2.0.0`, or the folder of the folds that
        `agejax train --folds` trained; None where a config names the data.
      config: a config; None where `source` is given.
      root: the base folder of a table's relative paths; None for the table's own.
      split: "all", or the name of one.
      trust: as of `agejax.auditing.trained_folds.of_folds`.

    Raises:
      UserError: both or neither is given, there is no such data, or it has no such split; or the
        folds are not finished.
    """
    check_one(source, config)
    if config is not None:
        return _of_config(configs.settled(config), split), None
    assert source is not None
    if is_folder_of_folds(source):
        if split != "all":
            raise UserError(f"{source}: folds are audited as a whole; leave --split out")
        return of_folds(source, trust)
    if any(source.glob("columns-*.npz")):
        return _splits(lambda name: of_folder(source, name), split), None
    return own_faces(split, path=str(source), root=root), None


def is_table(source: Path | None) -> bool:
    """Whether a source is a table that can be read again, row by row."""
    return source is not None and not source.is_dir()


def _of_config(config: ConfigDict, split: str) -> Faces:
    args = configs.source_args(config)
    return _splits(lambda name: configs.source_of(config)(name, **args), split)


def _splits(opened: Callable[[str], Faces], split: str) -> Faces:
    return all_splits(opened) if split == "all" else opened(split)
