"""The callables that a config file names, each resolved only from the list for its setting."""

from collections.abc import Collection
from typing import Any

from agejax.config.defaults import MODELS
from agejax.utils.import_by_name import is_name, trusted
from agejax.utils.moved_names import current_name
from agejax.utils.plain_names import check_plain

_SETTINGS = (
    ("data", "source", "source"),
    ("model", "trunk", "trunk"),
    ("model", "normalise", "normalise"),
    ("optim", "schedule", "schedule"),
)
_OPEN = ("tasks", "model.args", "model.members", "data.sets")  # sections with free keys


def resolve_names(loaded: dict[str, Any], trust: Collection[str], where: str) -> None:
    """Replaces the names of callables by the callables, throughout the JSON of a config.

    Writers and initial weights stay names, which `agejax.config` resolves later; they are checked
    here like the others.

    Args:
      loaded: the JSON; it is changed.
      trust: modules of the user's own; see `agejax.utils.import_by_name.trusted`.
      where: names the file in errors.

    Raises:
      UserError: a callable is not to be run, or a name is not plain.
      ValueError, AttributeError: it is not the JSON of a config.
    """

    def take(holder: dict[str, Any], key: str, kind: str, path: str) -> None:
        value = holder[key]
        if not isinstance(value, str):
            raise ValueError(f"{path}{key} is {value!r}, and not the name of a callable")
        holder[key] = trusted(value, kind, trust, f"{where}: config.{path}{key}")

    def take_sets(sets: dict[str, Any], path: str) -> None:
        for name, of in sets.items():
            if "source" in of:
                take(of, "source", "source", f"{path}.{name}.")
            if of.get("sets"):
                take_sets(of["sets"], f"{path}.{name}.sets")
            check_plain(name, f"{where}: a set of config.{path}")

    _check_keys(loaded)
    for section, key, kind in _SETTINGS:
        if key in loaded.get(section, {}):
            take(loaded[section], key, kind, f"{section}.")
    for name, task in loaded.get("tasks", {}).items():
        for kind in ("head", "loss", "balance"):
            if task.get(kind) is not None:
                take(task, kind, kind, f"tasks.{name}.")
        check_plain(name, f"{where}: a task")
    for name, member in loaded.get("model", {}).get("members", {}).items():
        for kind in {"trunk", "normalise"} & set(member):
            take(member, kind, kind, f"model.members.{name}.")
        check_plain(name, f"{where}: a member")
    take_sets(loaded.get("data", {}).get("sets", {}), "data.sets")
    _check_kept_names(loaded, trust, where)


def _check_kept_names(loaded: dict[str, Any], trust: Collection[str], where: str) -> None:
    """Checks the names that stay names, and replaces those of earlier versions."""
    for named in MODELS:
        section, _, key = named.partition(".")
        model = loaded.get(section, {}).get(key)
        if isinstance(model, str) and is_name(model):
            loaded[section][key] = current_name(model)
            trusted(model, "pretrained", trust, f"{where}: config.{named}")
    for writer in loaded.get("writers") or ():
        if not isinstance(writer, str):
            raise ValueError(f"writers is {writer!r}, and not the name of a callable")
        trusted(writer, "writer", trust, f"{where}: config.writers")
    if loaded.get("writers"):
        loaded["writers"] = [current_name(writer) for writer in loaded["writers"]]


def _check_keys(tree: dict[str, Any], above: str = "") -> None:
    """A key that holds a dot would pass for one of another section."""
    for key, value in tree.items():
        if "." in key:
            raise ValueError(f"there is no {above}{key}")
        if isinstance(value, dict) and above + key not in _OPEN:
            _check_keys(value, f"{above}{key}.")
