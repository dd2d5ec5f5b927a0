"""Sweeps: one file of configs/ that describes many runs.

Such a file has, beside `get_config()`, a `get_sweep()` that gives for each run a name and what it
changes, or a whole config:

    def get_sweep():
        for rate in (1e-3, 3e-3):
            for seed in range(3):
                yield f"rate-{rate}/seed{seed}", {"optim.learning_rate": rate, "seed": seed}

It is plain Python. `grid`, `random_search` and `with_seeds` below are for what is written most
often; `with_seeds(grid({"optim.learning_rate": (1e-3, 3e-3)}), 3)` gives the same six runs.
"""

import hashlib
import itertools
import random
import re
import runpy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ml_collections import ConfigDict

from agejax.config import from_json, modules_of, to_json, update
from agejax.errors import UserError, place
from agejax.utils.import_by_name import current_folder_searched
from agejax.utils.system_files import entries

_LONGEST = 180  # letters of a folder's name, of which file systems take 255
Run = tuple[str, Mapping[str, Any] | ConfigDict]


def grid(choices: Mapping[str, Iterable[Any]]) -> Iterator[Run]:
    """Every combination of `{"section.key": values}`, named "key=value,key=value"."""
    taken: set[str] = set()
    for values in itertools.product(*choices.values()):
        changes = dict(zip(choices, values, strict=True))
        yield _free(plain_name(_name(changes)), taken), changes


def random_search(
    n: int, draw: Callable[[random.Random], Mapping[str, Any]], seed: int = 0
) -> Iterator[Run]:
    """`n` runs that `draw` makes up; always the same ones for a seed, also for a larger `n`.

    Better than a grid where few of many settings matter (Bergstra and Bengio, JMLR 2012).
    """
    for i in range(n):
        yield f"{i:03}", dict(draw(random.Random(f"{seed}/{i}")))


def with_seeds(runs: Iterable[Run], n: int) -> Iterator[Run]:
    """Each run with the seeds 0 to n - 1, named NAME/seed0 and so on.

    `agejax compare` takes the folder NAME for one way of training, and its seeds' mean error.
    """
    for name, changes in runs:
        for seed in range(n):
            if isinstance(changes, ConfigDict):
                changed: Mapping[str, Any] | ConfigDict = _with(changes, {"seed": seed})
            else:
                changed = {**changes, "seed": seed}
            yield f"{name}/seed{seed}", changed


def with_folds(
    runs: Iterable[Run], folds: int, names: Sequence[int | str] | None = None
) -> Iterator[Run]:
    """Each run once for every fold, named NAME/fold0 and so on: K-fold cross-validation.

    In each, one fold is tested, the next validates, and the others train. `agejax folds` makes one
    table of them.

    Args:
      runs: as `get_sweep` gives them; the name "" is left out of theirs.
      folds: how many.
      names: of a table's column `fold`; 0 to `folds` - 1 by default.
    """
    names = range(folds) if names is None else names
    for name, given in runs:
        for i, test in enumerate(names):
            roles = {
                "data.folds": folds,
                "data.test_folds": (test,),
                "data.validation_folds": (names[(i + 1) % len(names)],),
            }
            if isinstance(given, ConfigDict):
                changed: Mapping[str, Any] | ConfigDict = _with(given, roles)
            else:
                changed = {**given, **roles}
            yield f"{name}/fold{test}".lstrip("/"), changed


def in_folds(
    file: Path, config: ConfigDict, runs: Mapping[str, ConfigDict], folds: int
) -> dict[str, ConfigDict]:
    """The runs of a sweep, or the one run of a config, each in folds; see `with_folds`.

    Raises:
      UserError: they are in folds already.
    """
    if any(of.data.folds for of in (config, *runs.values())):
        raise UserError(f"{file} sets config.data.folds itself; leave --folds out")
    if folds < 3:
        raise UserError(f"--folds is {folds}; one tests, one validates, others train: at least 3")
    given: Iterable[Run] = runs.items() if runs else [("", config)]
    return {name: of for name, of in with_folds(given, folds) if isinstance(of, ConfigDict)}


def read(file: Path, config: ConfigDict, changes: Mapping[str, Any]) -> dict[str, ConfigDict]:
    """The configs of a sweep's runs by their names, in its order; {} of a file without get_sweep().

    Args:
      file: of configs/.
      config: its own, with the command line's changes.
      changes: `{"section.key": value}` that the command line made, for runs that are given as whole
        configs.

    Raises:
      UserError: a run is invalid, two runs are the same or share a folder, or the
        command line sets what the sweep varies.
    """
    try:
        with current_folder_searched():
            get_sweep = runpy.run_path(str(file)).get("get_sweep")
            if get_sweep is None:
                return {}
            given = get_sweep()
        pairs: Sequence[Run] = list(given.items() if isinstance(given, Mapping) else given)
        pairs = [(name, changed) for name, changed in pairs]
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # a config is a program: anything can go wrong in it
        raise UserError(f"{place(error, file)}: {type(error).__name__}: {error}") from error
    if not pairs:
        raise UserError(f"{file}: get_sweep() gives no run")
    _check_names(file, [name for name, _ in pairs])
    taken: set[str] = set()
    pairs = [(_free(plain_name(name), taken), changed) for name, changed in pairs]
    _check_names(file, [name for name, _ in pairs])
    runs = {name: _config(f"{file}, run {name}", config, of, changes) for name, of in pairs}
    same: dict[str, str] = {}
    for name, of in runs.items():
        if (other := same.setdefault(to_json(of), name)) != name:
            raise UserError(f"{file}: the runs {other} and {name} are one and the same")
    return runs


def one_of(runs: Mapping[str, ConfigDict], name: str) -> ConfigDict:
    """The config of the run of that name.

    Raises:
      UserError: there is none.
    """
    name = name if name in runs else plain_name(name)
    if name not in runs:
        some = ", ".join(list(runs)[:5]) + (", ..." if len(runs) > 5 else "")
        raise UserError(f"the sweep has no run {name!r}; it has {some}")
    return runs[name]


def plain_name(name: str) -> str:
    """A run's name in letters, digits and =,.-_ alone, with / between folders.

    Brackets, quotes and spaces go, anything else becomes "-": what a name means to a shell, to a
    pattern of files or to a terminal can then be nothing else.
    """
    return "/".join(map(_plain_part, name.split("/")))


def _plain_part(part: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9=,._-]", "-", re.sub(r"""[][(){}'"\s+]""", "", part))
    plain = plain if plain.strip("-.") else "run"
    if len(plain) <= _LONGEST:
        return plain
    own = hashlib.sha256(part.encode(errors="replace")).hexdigest()
    return f"{plain[: _LONGEST - 9]}-{own[:8]}"


def _free(name: str, taken: set[str]) -> str:
    """The name, numbered where another run has it already."""
    names = itertools.chain([name], (f"{name}-{i}" for i in itertools.count(2)))
    found = next(n for n in names if n not in taken)
    taken.add(found)
    return found


def folder_of(sweep: Path, name: str) -> Path:
    """Where a run of a sweep is; older versions of agejax named folders by values as Python has it.

    Args:
      sweep: the folder of the sweep.
      name: of the run, as `read` gives it.
    """
    folder = sweep
    for part in name.split("/"):
        new = folder / part
        if not new.exists() and folder.is_dir():
            there = [path for path in entries(folder) if path.is_dir()]
            old = [path for path in there if _plain_part(path.name) == part]
            new = old[0] if len(old) == 1 else new
        folder = new
    return folder


def _config(where: str, config: ConfigDict, given: Any, changes: Mapping[str, Any]) -> ConfigDict:
    try:
        if isinstance(given, ConfigDict):
            return _with(given, changes)
        if not isinstance(given, Mapping):
            raise UserError("a run is given as {'section.key': value}, or as a whole config")
        for key, set_here in itertools.product(given, changes):
            if f"{key}.".startswith(f"{set_here}.") or f"{set_here}.".startswith(f"{key}."):
                raise UserError(f"the sweep sets config.{key}, so that --config.{set_here} cannot")
        return _with(config, given)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _with(config: ConfigDict, changes: Mapping[str, Any]) -> ConfigDict:
    """A config of its own: what is written down and read again shares nothing."""
    config = from_json(to_json(config), "its config", modules_of(config))
    update(config, changes)
    return config


def _name(changes: Mapping[str, Any]) -> str:
    def word(value: Any) -> str:
        return str(getattr(value, "__name__", value)).replace("/", "-").replace(" ", "")

    return ",".join(f"{key.rpartition('.')[2]}={word(value)}" for key, value in changes.items())


def _check_names(file: Path, names: Sequence[Any]) -> None:
    """A name is a folder's, below the sweep's; none stands in another's."""
    seen: set[str] = set()
    for name in names:
        path = PurePosixPath(str(name))
        if not isinstance(name, str) or not name or "\0" in name or str(path) != name:
            raise UserError(f"{file}: a run is called {name!r}; its name must be that of a folder")
        if path.is_absolute() or not {".", ".."}.isdisjoint(path.parts):
            raise UserError(f"{file}: the run {name!r} would lie outside the sweep's folder")
        if name in seen:
            raise UserError(f"{file}: two runs are called {name!r}")
        seen.add(name)
    for name in names:
        above = {str(parent) for parent in PurePosixPath(name).parents} & seen
        if above:
            raise UserError(f"{file}: the run {name!r} would lie inside the run {above.pop()!r}")
