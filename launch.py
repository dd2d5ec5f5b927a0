"""Trains what a config describes, or evaluates it; of a sweep, all its runs.

Usage:

    python launch.py --config configs/small.py [--workdir runs/small] [--config.train.steps=2000]
    python launch.py --config configs/small.py --config.mode=eval [--config.eval.split=validation]
    python launch.py --config configs/sweep_rate.py [--jobs=2] [--run=NAME | --list]
    srun python launch.py --config configs/small.py  (or mpirun, or by hand with
        --coordinator=HOST:PORT --processes=N --process=I: docs/cluster.md)
"""

import re
import sys
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from agejax.utils.program import end_quietly_on_interrupt, interrupt_as_usual, program

if __name__ == "__main__":
    end_quietly_on_interrupt()  # the imports below take seconds

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
from agejax.experiments.sweep import end_with_parent, run_sweep
from agejax.report.contact_sheet import picture_of_run
from agejax.training.compilation_cache import keep_compiled
from agejax.training.loop import train
from agejax.utils.paths import expanded

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file("config", None, "The experiment: a file of configs/.")
flags.DEFINE_string("workdir", None, "The run's folder (runs/NAME, after the config).")
flags.DEFINE_integer("jobs", 1, "How many runs of a sweep are done at once.")
flags.DEFINE_string("run", None, "The one run of a sweep to do, in this process.")
flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0, where there are several.")
flags.DEFINE_integer("processes", None, "How many processes train this run together.")
flags.DEFINE_integer("process", None, "Which of them this is, from 0 on.")
flags.DEFINE_bool("list", False, "Print the names of a sweep's runs, and do nothing.")

_PATHS = ("config", "workdir")
_OPTIONAL = ("workdir", "run", "coordinator", "processes", "process")


def main(argv: list[str]) -> None:
    """Reads the command line, then trains or evaluates."""
    keep_compiled()
    given, unset = as_meant(argv)
    file = config_file(given)
    config = read_config(given, file, unset)
    workdir = Path(FLAGS.workdir or Path("runs", file.stem))
    changes = config_flags.get_override_values(FLAGS["config"]) | dict.fromkeys(unset)
    if runs := sweeps.read(file, config, changes):
        if FLAGS.list:
            sys.exit(print(*runs, sep="\n"))
        if FLAGS.run is None:
            if FLAGS.processes or find_place():
                raise UserError(
                    f"{file} is a sweep: start it in one process, or one run with --run"
                )
            sys.exit(run_sweep(runs, workdir, [sys.executable, *argv], FLAGS.jobs))
        end_with_parent()
        config, workdir = sweeps.one_of(runs, FLAGS.run), sweeps.folder_of(workdir, FLAGS.run)
    elif FLAGS.list or FLAGS.run:
        raise UserError(f"{file} is one experiment: it has no get_sweep()")
    with joined(find_place(FLAGS.coordinator, FLAGS.processes, FLAGS.process)):
        if config.mode == "eval":
            trust = configs.modules_of(config)
            config = of_the_run(workdir, changes, trust, instead=config)
            figures = evaluate(config, workdir)
        else:
            figures = train(config, workdir)
        if is_first():
            print(table(figures))
            print(picture_of_run(config, workdir))


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


def read_config(argv: list[str], file: Path, unset: Sequence[str] = ()) -> ConfigDict:
    """The config of `file` with the command line's changes; the keys `unset` are none.

    Raises:
      UserError: a flag, a key or a value is wrong, or the file itself is.
    """
    try:
        sys.argv = argv  # where ml_collections looks for changes
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # its own
            extra = FLAGS(argv)[1:]
        config = FLAGS.config
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
        raise UserError(str(error)) from error
    except Exception as error:  # a config is a program: anything can go wrong in it
        raise UserError(f"{place(error, file)}: {type(error).__name__}: {error}") from error
    configs.check_whole(config, file)
    configs.update(config, dict.fromkeys(unset))
    if extra:
        raise UserError(
            f"cannot make sense of {extra[0]!r}; settings are given as --config.KEY=VALUE"
        )
    return configs.settled(config)


if __name__ == "__main__":
    interrupt_as_usual()
    with program(notes=True):
        main(sys.argv)
