"""Whose data a run's config names: yours, which commands open, or a foreign run's, which none does.

A run's folder is data that anybody may have written. What it names of this machine, which is read,
painted or built there, counts only where the user has said so: by a config of theirs with which
they trained or evaluated here (of which this machine keeps a note, outside of all runs), by what a
command names, or by AGEJAX_OWN_RUNS, folders whose runs are the user's own.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from agejax import config as configs
from agejax.data import withheld
from agejax.data.mixture import mixture
from agejax.utils.import_by_name import ALLOWED, is_name
from agejax.utils.notes import note

_OF_PIXELS = {"size", "margin", "workers", "cache_mib", "device_mib", "max_unreadable"}
# What names nothing of this machine.
_OF_NO_PLACE = _OF_PIXELS | {*configs.FOLDS, "audit_above", "train_faces"}
_PATHS = ("manual_dir", "data_dir", "path", "root", "cache_dir", "audit")
_HARMLESS = ("source", "weight", "name", "min_face_score")  # what is kept of a set of faces
# Naming one of these, the user says which faces are meant.
_NAMING = ("data.source", "data.manual_dir", "data.data_dir", "data.path", "data.sets")
_NO_WEIGHTS = f"{withheld.__name__}:{withheld.weights.__name__}"
_said: set[str] = set()  # in this process, where nothing can be kept


def remember(config: ConfigDict) -> None:
    """Notes that the user works with what a config names of this machine."""
    for name in _parts(config).values():
        _said.add(name)
        folder = _notes()
        if folder is not None:
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                (folder / name).touch()


def own(
    config: ConfigDict,
    run: Path,
    changes: Collection[str] = (),
    instead: ConfigDict | None = None,
) -> ConfigDict:
    """The config of a run's folder, changed, without what the user has not said.

    Args:
      config: as the folder has it.
      run: the folder.
      changes: the keys that the user gives other values, which are to be set after this.
      instead: a config of the user's own whose data take the place of those withheld.
    """
    if _is_own_run(run):
        return config
    unsaid = {part for part, name in _parts(config).items() if not _is_said(name)}
    if "attributes" in unsaid:
        config.eval.attributes = None
    if "data" in unsaid:
        if instead is None:
            _withhold_data(config, changes)
        else:
            note(f"{run} is not known here: its data are those of your config")
            _take_data(config, instead)
    if "pretrained" in unsaid:
        config.model.pretrained = _NO_WEIGHTS
    if "teacher" in unsaid:
        config.distil.teacher = _NO_WEIGHTS
    if "unlabelled" in unsaid:
        config.distil.unlabelled = None
    if "writers" in unsaid:
        config.writers = ()
    return config


def public(config: ConfigDict) -> ConfigDict:
    """A copy without anything that is of this machine or its user, to be given away."""
    config = config.copy_and_resolve_references()
    for holder, key in ((config.model, "pretrained"), (config.distil, "teacher")):
        if holder[key] is not None and holder[key] not in ALLOWED["pretrained"]:
            holder[key] = _NO_WEIGHTS
    config.eval.attributes, config.writers, config.distil.unlabelled = None, (), None
    _withhold_data(config, ())
    return config


def _parts(config: ConfigDict) -> dict[str, str]:
    """What a config names of this machine, a hash for each kind; nothing of a kind, none."""
    plain = json.loads(configs.to_json(config))
    start, teacher = plain["model"]["pretrained"], plain["distil"]["teacher"]
    told = {
        "data": {key: of for key, of in plain["data"].items() if _names_a_place(key, of)},
        "attributes": plain["eval"]["attributes"] and {"path": plain["eval"]["attributes"]},
        "pretrained": None if start is None or is_name(start) else {"path": start},
        "teacher": None if teacher is None or is_name(teacher) else {"path": teacher},
        "unlabelled": plain["distil"]["unlabelled"] and {"path": plain["distil"]["unlabelled"]},
        "writers": plain["writers"],
    }
    return {part: _hash(part, _whole(of)) for part, of in told.items() if of}


def _names_a_place(key: str, value: Any) -> bool:
    """Of a setting of `data`; one that is newer than notes of it counts only where it is set."""
    return key not in _OF_NO_PLACE and not (key == "audit" and value is None)


def _whole(value: Any, key: str = "") -> Any:
    """With paths that start from the root: elsewhere, the same words mean other files."""
    if isinstance(value, dict):
        return {name: _whole(of, name) for name, of in value.items()}
    if isinstance(value, str) and key in _PATHS:
        with contextlib.suppress(OSError):  # the current folder is gone
            return os.path.abspath(os.path.expanduser(value))
    return value


def _hash(part: str, of: Any) -> str:
    return hashlib.sha256(f"{part}\n{json.dumps(of, sort_keys=True)}".encode()).hexdigest()


def _is_said(name: str) -> bool:
    if name in _said:
        return True
    folder = _notes()
    return folder is not None and os.path.isfile(folder / name)  # False where it may not look


def _notes() -> Path | None:
    """Where this machine keeps notes of the user's own; None where there is no such place."""
    home = os.environ.get("XDG_STATE_HOME", "")
    try:
        # A relative one would be looked for in whatever folder this is.
        state = Path(home) if os.path.isabs(home) else Path.home() / ".local" / "state"
    except RuntimeError:
        return None
    return state / "agejax" / "own_data" if state.is_absolute() else None


def _is_own_run(run: Path) -> bool:
    named = filter(None, os.environ.get("AGEJAX_OWN_RUNS", "").split(os.pathsep))
    own = {os.path.realpath(os.path.expanduser(folder)) for folder in named}
    whole = Path(os.path.realpath(run))
    return any(str(folder) in own for folder in (whole, *whole.parents))


def _withhold_data(config: ConfigDict, changes: Collection[str]) -> None:
    usual = configs.default().data
    for key in (*_PATHS, *configs.AUDIT, "painted"):
        config.data[key] = usual[key]
    named = {name for key in changes if (name := _set_of(key))}
    with config.unlocked():
        if not any(f"{key}.".startswith(f"{naming}.") for key in changes for naming in _NAMING):
            config.data.source = withheld.faces
        if configs.source_of(config) is mixture:
            config.data.sets = dict(_kept_sets(config, named))
        else:
            config.data.sets = {}


def _kept_sets(config: ConfigDict, named: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A mixture's sets, of which only those keep their source that the user names a part of."""
    for name, of in config.data.sets.items():
        kept = {key: of[key] for key in _HARMLESS if key in of}
        if name not in named or kept.get("source") is mixture:
            kept = {key: kept[key] for key in ("weight",) if key in kept}
            kept["source"] = withheld.faces
        yield name, kept


def _set_of(key: str) -> str:
    prefix, _, rest = key.partition("data.sets.")
    return rest.partition(".")[0] if not prefix else ""


def _take_data(config: ConfigDict, instead: ConfigDict) -> None:
    config.eval.attributes = instead.eval.attributes  # which are of those faces
    with config.unlocked():
        for key, value in instead.data.items():
            if key not in _OF_PIXELS:
                config.data[key] = value
