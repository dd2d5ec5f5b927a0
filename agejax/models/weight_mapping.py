"""Loads weights into a model: published weights of a trunk, or those of another run.

A trunk's `published()` gives the names of its modules in other libraries. Here arrays are matched
by these names, converted from torch's layout to ours, and mismatches are reported in one line.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from agejax.errors import UserError
from agejax.types import Tree, Weights

# torch's name of a module's array: our name.
_THEIRS = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}


class Published(NamedTuple):
    """The names of a trunk's parts in one source of weights.

    Attributes:
      names: {our module or array: its name in the source}.
      skipped: prefixes of names that do not belong to a trunk, such as the source's classifier.
      expects: the input that the source's networks expect, in words for the user.
    """

    names: Mapping[str, str]
    skipped: tuple[str, ...]
    expects: str


@dataclass(frozen=True)
class Report:
    """The result of loading the arrays of a file or a run.

    Attributes:
      where: the source.
      loaded: our arrays that were loaded.
      weights: the number of values in them.
      skipped: arrays of the source that are not used.
      new: our parts that are not in the source.
      expects: the input that the source's networks expect.
    """

    where: str
    loaded: tuple[str, ...]
    weights: int
    skipped: tuple[str, ...]
    new: tuple[str, ...]
    expects: str

    def __str__(self) -> str:
        """Two lines for people."""
        skipped, new = (", ".join(names) or "nothing" for names in (self.skipped, self.new))
        return (
            f"{self.where}: {self.weights / 1e6:.2f} million weights in {len(self.loaded)} arrays "
            f"loaded; skipped: {skipped}; new: {new}\nthey expect: {self.expects}"
        )


def expand(names: Mapping[str, str], depths: Sequence[int]) -> dict[str, str]:
    """Repeats `names` for every block of stages of the given depths.

    Names contain {i}, the index of the block overall, {s}, that of its stage, {j}, its index within
    the stage, and {next}, {even} and {odd} for s + 1, 2 s and 2 s + 1; all count from zero.
    """
    places = [(s, j) for s, depth in enumerate(depths) for j in range(depth)]
    numbers = [
        {"i": i, "s": s, "j": j, "next": s + 1, "even": 2 * s, "odd": 2 * s + 1}
        for i, (s, j) in enumerate(places)
    ]
    return {a.format(**n): b.format(**n) for n in numbers for a, b in names.items()}


def load_pretrained(
    weights: Weights, arrays: Mapping[str, np.ndarray], layouts: Sequence[Published], where: str
) -> tuple[Weights, Report]:
    """A model's weights with its trunk replaced by published ones; the heads do not change.

    Args:
      weights: of a `MultiTask`, or their shapes.
      arrays: the arrays of the file, by its own names and in torch's layout.
      layouts: the trunk's `published()`; the best match is used.
      where: names the file in errors.

    Raises:
      UserError: arrays of the trunk are missing in the file, or the file has arrays of neither the
        trunk nor a classifier, or shapes differ; weights are never loaded partially.
    """
    ours = {**_flat(weights["params"]["trunk"]), **_flat(weights["stats"].get("trunk", {}))}
    arrays = {name: x for name, x in arrays.items() if not name.endswith("num_batches_tracked")}
    tables = [{path: _their_name(path, layout.names) for path in ours} for layout in layouts]
    fits = [sum(name in arrays for name in table.values()) for table in tables]
    best = int(np.argmax(fits))
    table, layout = tables[best], layouts[best]
    _check_names(table, layout, arrays, where)
    found = {path: _fit(path, table[path], x.shape, arrays, where) for path, x in ours.items()}
    report = Report(
        where=where,
        loaded=tuple(found),
        weights=sum(x.size for x in found.values()),
        skipped=tuple(sorted(arrays.keys() - table.values())),
        new=tuple(
            f"{kind}.{task}"
            for kind in ("hidden", "heads")
            for task in weights["params"].get(kind, {})
        ),
        expects=layout.expects,
    )
    filled = Weights(
        params=_filled(weights["params"], found), stats=_filled(weights["stats"], found)
    )
    return filled, report


def carry_over(
    weights: Weights, theirs: Weights, heads: Collection[str], where: str, expects: str
) -> tuple[Weights, Report]:
    """A model's weights replaced by those of another agejax model.

    The trunks must be the same; position embeddings are resampled. A task's head, with its hidden
    layer, is loaded if all its shapes are the same, and stays new otherwise.

    Args:
      weights: of a `MultiTask`.
      theirs: of the other model.
      heads: the tasks whose heads have the same class in both.
      where: names the other model in errors and the report.
      expects: the input that the other network expects.

    Raises:
      UserError: the other model has another trunk.
    """
    ours, others = _flat(dict(weights)), _flat(dict(theirs))
    others = {path: _resampled(path, x, ours.get(path)) for path, x in others.items()}
    fits = {path: path in others and others[path].shape == x.shape for path, x in ours.items()}
    parts = {path: _part(path) for path in [*ours, *others]}
    wrong = sorted(path for path, part in parts.items() if part == "trunk" and not fits.get(path))
    if wrong:
        path = wrong[0]
        shapes = [list(x[path].shape) if path in x else "missing" for x in (others, ours)]
        raise UserError(
            f"{where} is of another trunk: {len(wrong)} arrays differ, such as {path}, which is "
            f"{shapes[0]} there and {shapes[1]} here; config.model.trunk, its args and "
            f"config.data.size must be those of that run"
        )
    taken = {"trunk"} | {
        task
        for task in heads
        if all(fits.get(path) for path, part in parts.items() if part == task)
    }
    found = {path: jnp.asarray(others[path]) for path in ours if parts[path] in taken}
    report = Report(
        where=where,
        loaded=tuple(found),
        weights=sum(x.size for x in found.values()),
        skipped=_modules(path for path in others if path not in found),
        new=_modules(path for path in ours if path not in found),
        expects=expects,
    )
    filled = jax.tree_util.tree_map_with_path(lambda k, x: found.get(_path(k), x), dict(weights))
    return Weights(params=filled["params"], stats=filled["stats"]), report


def _part(path: str) -> str:
    """The part of a model to which an array belongs: "trunk", or a task's name."""
    _, kind, *rest = path.split(".")
    return rest[0] if kind in ("heads", "hidden") else kind


def _resampled(path: str, theirs: Any, ours: Any) -> Any:
    if path.endswith(".position") and ours is not None and theirs.ndim == ours.ndim == 2:
        return resample_positions(np.asarray(theirs), len(ours))
    return theirs


def _modules(paths: Iterable[str]) -> tuple[str, ...]:
    """The heads and hidden layers to which arrays belong, without duplicates."""
    return tuple(sorted({".".join(path.split(".")[1:3]) for path in paths}))


def _their_name(path: str, names: Mapping[str, str]) -> str:
    if path in names:
        return names[path]
    module, _, leaf = path.rpartition(".")
    return f"{names[module]}.{_THEIRS[leaf]}"


def _check_names(
    table: Mapping[str, str], layout: Published, arrays: Mapping[str, np.ndarray], where: str
) -> None:
    missing = [name for name in table.values() if name not in arrays]
    if len(missing) == len(table):
        raise UserError(
            f"{where} holds no array of this trunk: it has {_some(list(arrays))}, not "
            f"{_some(list(table.values()))}; set config.model.trunk to the trunk that it belongs to"
        )
    if missing:
        raise UserError(
            f"{where} lacks {len(missing)} of the trunk's {len(table)} arrays: {_some(missing)}; "
            f"is it of a smaller network than config.model.trunk?"
        )
    unknown = [x for x in arrays if x not in table.values() and not x.startswith(layout.skipped)]
    if unknown:
        raise UserError(
            f"{where} holds {len(unknown)} arrays that the trunk does not have: "
            f"{_some(unknown)}; is it of a larger network than config.model.trunk?"
        )


def _fit(
    path: str, name: str, shape: tuple[int, ...], arrays: Mapping[str, np.ndarray], where: str
) -> jax.Array:
    """An array of the source in our layout, float32 of the given shape."""
    x, leaf = arrays[name], path.rpartition(".")[2]
    if leaf == "kernel" and len(shape) == 4 and x.ndim == 4:
        x = x.transpose(2, 3, 1, 0)  # OIHW -> HWIO
    elif leaf == "kernel" and len(shape) == 2 and x.ndim >= 2:
        x = x.reshape(len(x), -1).T  # [out, in], or a convolution of the whole map -> [in, out]
    elif leaf == "position" and x.ndim == 3 and len(x) == 1:
        x = resample_positions(x[0], shape[0])
    elif leaf != "kernel" and x.size == max(x.shape, default=0) == shape[0]:
        x = x.reshape(-1)  # layer scales and tokens have axes of length 1
    if x.shape != shape:
        raise UserError(
            f"{where}: {name} is {list(arrays[name].shape)}, which does not fit the trunk's "
            f"{list(shape)}; is it of another network than config.model.trunk?"
        )
    x = np.asarray(x, np.float32)
    if not np.isfinite(x).all():
        raise UserError(f"{where}: {name} holds values that are not finite numbers")
    return jnp.asarray(x)


def resample_positions(x: np.ndarray, tokens: int) -> np.ndarray:
    """[1 + h^2, C] -> [tokens, C]: a square of patches resampled to another; keeps the class token.

    Bicubic with antialiasing, as in timm (Dosovitskiy et al., ICLR 2021, section 3.2, do not
    specify the method). If the patches do not form a square, `x` is returned unchanged.
    """
    old, new = (int(np.sqrt(n - 1)) for n in (len(x), tokens))
    if old == new or old**2 != len(x) - 1:
        return x
    grid = jax.image.resize(
        np.asarray(x[1:], np.float32).reshape(old, old, -1), (new, new, x.shape[1]), "cubic"
    )
    return np.concatenate([x[:1], np.asarray(grid).reshape(new * new, -1)])


def _flat(tree: Tree) -> dict[str, jax.Array]:
    return {_path(keys): x for keys, x in jax.tree_util.tree_leaves_with_path(tree)}


def _filled(tree: Tree, found: Mapping[str, jax.Array]) -> Tree:
    """A tree whose trunk arrays are replaced by those found."""
    if "trunk" not in tree:
        return tree
    trunk = jax.tree_util.tree_map_with_path(lambda keys, _: found[_path(keys)], tree["trunk"])
    return {**tree, "trunk": trunk}


def _path(keys: tuple) -> str:
    return ".".join(str(key.key) for key in keys)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "") or "nothing"
