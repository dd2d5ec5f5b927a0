"""Several data sets as one: each keeps its splits; training mixes them by weight."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from agejax.data.faces import Faces
from agejax.data.joined import joined
from agejax.errors import NoSuchSplit, UserError
from agejax.utils.import_by_name import resolve


def mixture(split: str, *, sets: Mapping[str, Mapping[str, Any]]) -> Faces:
    """A split of all sets together, or of one set.

    Args:
      split: "train" or "validation", of the sets with a weight above 0; "test" or another, of the
        sets that have it; or "NAME/SPLIT", of one set.
      sets: {name: {"source": a source, or "module:name" of one; "weight": how often its faces are
        drawn in training, relative to the other sets; 0 for a set that is only evaluated, 1 by
        default; and the arguments of the source}}.

    Returns:
      Faces with paths "NAME/PATH" and an attribute "set" with the name, so that metrics are also
      reported for each set.

    Raises:
      UserError: a set has no such split, or its settings are not valid.
    """
    if not sets:
        raise UserError("config.data.sets is empty; see configs/mixture.py for an example")
    name, _, own = split.partition("/")
    if own:
        if name not in sets:
            raise UserError(f"there is no set {name!r}; there are {', '.join(sets)}")
        return joined_sets({name: _open(name, sets[name], own)})
    weights = {name: float(of.get("weight", 1.0)) for name, of in sorted(sets.items())}
    if not all(0 <= weight < np.inf for weight in weights.values()) or not any(weights.values()):
        raise UserError(f"config.data.sets: weights must be 0 or more, not all 0: {weights}")
    trained = {name: weight for name, weight in weights.items() if weight}
    if split in ("train", "validation"):
        faces = joined_sets({name: _open(name, sets[name], split) for name in trained})
        alone = split == "validation" or len(trained) == 1
        return faces if alone else dataclasses.replace(faces, weights=trained)
    return joined_sets(_those_that_have(split, sets))


def _open(name: str, given: Mapping[str, Any], split: str) -> Faces:
    args = {key: value for key, value in given.items() if key not in ("source", "weight")}
    source: Callable[..., Faces] | str = given.get("source", "")
    if not callable(source):
        source = resolve(source)
    try:
        inspect.signature(source).bind(split, **args)
    except (TypeError, ValueError) as error:
        raise UserError(f"config.data.sets.{name}: {error}") from error
    return source(split, **args)


def _those_that_have(split: str, sets: Mapping[str, Mapping[str, Any]]) -> dict[str, Faces]:
    found, missing = {}, []
    for name, given in sets.items():
        try:
            found[name] = _open(name, given, split)
        except NoSuchSplit as error:
            missing.append(str(error))
    if not found:
        raise NoSuchSplit("; ".join(missing))
    return found


def joined_sets(parts: Mapping[str, Faces]) -> Faces:
    """The faces of all parts, sorted by "NAME/PATH", with an attribute "set" of their names."""
    parts = dict(sorted(parts.items(), key=lambda part: f"{part[0]}/"))
    path = np.concatenate([np.char.add(f"{name}/", part.path) for name, part in parts.items()])
    person = np.concatenate([_people(name, part) for name, part in parts.items()])
    faces = joined(list(parts.values()), path, person)
    sets = np.repeat(list(parts), [len(part) for part in parts.values()])
    attributes = dict(faces.attributes)
    if "set" in attributes:  # a column of the sets themselves
        attributes["set (column)"] = attributes.pop("set")
    return dataclasses.replace(faces, attributes=attributes | {"set": sets})


def _people(name: str, faces: Faces) -> np.ndarray:
    """The person in each face; unknown persons are all different."""
    if faces.person is not None:
        return faces.person
    return np.char.add(f"{name}/", faces.path)
