"""Trains what a config file describes, or evaluates it; of a sweep, all its runs.

    agejax train --config FILE [--workdir DIR] [--config.train.steps=2000 ...]
    agejax evaluate --config FILE [--workdir DIR] [--config.eval.split=validation ...]
    agejax train --config SWEEP [--jobs=2] [--run=NAME | --list]
    agejax train --config FILE --folds=5 [--jobs=2] [--run=fold0 | --list]
    srun agejax train --config FILE  (or mpirun, or by hand with
        --coordinator=HOST:PORT --processes=N --process=I: docs/cluster.md)

DIR is runs/NAME, after the config, where it is not given. `python launch.py` in a checkout takes
the same options.
"""

import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import jax
from absl import flags
from ml_collections import ConfigDict, config_flags

from agejax import config as configs
from agejax.checkpoints.run_dir import of_the_run
from agejax.config import sweeps
from agejax.distributed.cluster_env import find_place
from agejax.distributed.initialize import is_first, joined
from agejax.errors import UserError, place
from agejax.evaluation.evaluate import evaluate
from agejax.evaluation.table import table
from agejax.experiments.folds import print_folds
from agejax.experiments.sweep import end_with_parent, run_sweep
from agejax.reports.contact_sheet import picture_of_run
from agejax.training.compilation_cache import keep_compiled
from agejax.training.loop import train
from agejax.utils.import_by_name import current_folder_searched
from agejax.utils.notes import printed
from agejax.utils.paths import expanded

_PATHS = ("config", "workdir")
_OPTIONAL = ("workdir", "run", "folds", "coordinator", "processes", "process")
# What does a run of a sweep. A script in the current folder must not stand for a module, hence -P.
COMMAND = (sys.executable, "-P", "-m", "agejax", "train")


def make_flags() -> flags.FlagValues:
    """The options of a command line; not absl's own, which a program has once."""
    own = flags.FlagValues()
    text, number = flags.DEFINE_string, flags.DEFINE_integer
    config_flags.DEFINE_config_file("config", None, "The experiment.", flag_values=own)
    text("workdir", None, "The run's folder (runs/NAME, after the config).", flag_values=own)
    number("folds", None, "Trains this many folds: K-fold cross-validation.", flag_values=own)
    number("jobs", 1, "How many runs of a sweep are done at once.", flag_values=own)
    text("run", None, "The one run of a sweep to do, in this process.", flag_values=own)
    text("coordinator", None, "HOST:PORT of process 0, where there are several.", flag_values=own)
    number("processes", None, "How many processes train this run together.", flag_values=own)
    number("process", None, "Which of them this is, from 0 on.", flag_values=own)
    flags.DEFINE_bool("list", False, "Print the names of a sweep's runs.", flag_values=own)
    return own


def main(argv: list[str]) -> int:
    """Reads a command line, then trains or evaluates.

    Args:
      argv: the program's name and its options.

    Returns:
      The exit code.

    Raises:
      UserError: an option, the config or what it asks for is not as it must be.
    """
    if any(arg.lstrip("-") in ("help", "h") for arg in argv[1:] if arg.startswith("-")):
        print((__doc__ or "").strip())
        return 0
    with printed(), current_folder_searched():
        return _main(argv)


def _main(argv: list[str]) -> int:
    keep_compiled()
    given, unset = as_meant(argv)
    file = config_file(given)
    options = make_flags()
    config = read_config(options, given, file, unset)
    workdir = Path(options.workdir or Path("runs", file.stem))
    changes = config_flags.get_override_values(options["config"]) | dict.fromkeys(unset)
    runs = sweeps.read(file, config, changes)
    if options.folds is not None:
        runs = sweeps.in_folds(file, config, runs, options.folds)
    if runs:
        if options.list:
            print(*runs, sep="\n")
            return 0
        if options.run is None:
            if options.processes or find_place():
                raise UserError(
                    f"{file} is a sweep: start it in one process, or one run with --run"
                )
            # In this process: an accelerator is for the runs.
            jax.config.update("jax_platforms", "cpu")
            code = run_sweep(runs, workdir, [*COMMAND, *argv[1:]], options.jobs)
            print_folds(runs, workdir)
            return code
        end_with_parent()
        config, workdir = sweeps.one_of(runs, options.run), sweeps.folder_of(workdir, options.run)
    elif options.list or options.run:
        raise UserError(f"{file} is one experiment: it has no get_sweep()")
    with joined(find_place(options.coordinator, options.processes, options.process)):
        trust = configs.modules_of(config)
        if config.mode == "eval":
            config = of_the_run(workdir, changes, trust, instead=config)
            figures = evaluate(config, workdir)
        else:
            figures = train(config, workdir, save_on_signal=True)
        if is_first():
            print(table(figures))
            print(picture_of_run(config, workdir, trust=trust))
    return 0


def config_file(argv: list[str]) -> Path:
    """The file that `--config` names.

    Raises:
      UserError: it names none, or one that is not there.
    """
    named = [a.partition("=")[2] for a in argv if a.startswith(("--config=", "-config="))]
    named += [b for a, b in pairwise(argv) if a in ("--config", "-config")]
    there = ", ".join(map(str, sorted(Path("configs").glob("*.py")))) or "none in ./configs"
    if not named:
        raise UserError(f"say which experiment with --config FILE; there are {there}")
    if not Path(named[-1]).is_file():
        raise UserError(f"{named[-1]}: there is no such config; there are {there}")
    return Path(named[-1])


def as_meant(argv: list[str]) -> tuple[list[str], list[str]]:
    """A command line without what is set to None, and the keys of the config that are.

    Absl would take "None" for a file's name, and `~` in --workdir=~/x is left to it by the shell.
    """
    joined: list[str] = []
    for arg in argv:
        if joined and re.fullmatch(r"--?[\w.]+", joined[-1]) and re.match(r"~|None$", arg):
            joined[-1] += f"={arg}"
        else:
            joined.append(arg)
    kept, unset = [], []
    for arg in joined:
        flag, _, value = arg.partition("=")
        name = flag.lstrip("-") if flag.startswith("-") else ""
        key = name.removeprefix("config.")
        if value == "None" and key != name and configs.may_be_none(key):
            unset.append(key)
        elif name not in _OPTIONAL or value != "None":
            kept.append(f"{flag}={expanded(value)}" if name in _PATHS and value else arg)
    return kept, unset


@contextmanager
def _argv(argv: list[str]) -> Iterator[None]:
    """Within, `sys.argv` is a command line: ml_collections looks there for changes."""
    before, sys.argv = sys.argv, argv
    try:
        yield
    finally:
        sys.argv = before


def _raised_by_file(error: BaseException) -> BaseException | None:
    """What `get_config` raised, if `error` is absl's about it; its text holds a traceback then."""
    if "Error whilst parsing config file" not in str(error):
        return None
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error


def read_config(
    options: flags.FlagValues, argv: list[str], file: Path, unset: Sequence[str] = ()
) -> ConfigDict:
    """The config of `file` with the command line's changes; the keys `unset` are none.

    Raises:
      UserError: a flag, a key or a value is wrong, or the file itself is.
    """
    try:
        with _argv(argv), warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            extra = options(argv)[1:]  # whose library warns
        config = options.config
    except (KeyError, AttributeError) as error:
        keys = [
            a.lstrip("-").partition("=")[0] for a in argv if a.lstrip("-").startswith("config.")
        ]
        for key in keys:
            configs.check_key(configs.default(), key.removeprefix("config."))
        unset = [key for key in keys if key.rpartition(".")[2] in str(error)]
        if unset:  # among the keys that are the experiment's own
            raise UserError(
                f"{file} sets no {unset[0]}; only what it sets can be changed"
            ) from error
        raise UserError(f"{place(error, file)}: {error}") from error
    except flags.Error as error:
        if (inside := _raised_by_file(error)) is None:
            raise UserError(str(error)) from error
        raise UserError(f"{place(inside, file)}: {type(inside).__name__}: {inside}") from error
    except (Exception, SystemExit) as error:  # a config is a program: anything can go wrong in it
        raise UserError(f"{place(error, file)}: {type(error).__name__}: {error}") from error
    configs.check_whole(config, file)
    configs.update(config, dict.fromkeys(unset))
    if extra:
        raise UserError(
            f"cannot make sense of {extra[0]!r}; settings are given as --config.KEY=VALUE"
        )
    return configs.settled(config)
