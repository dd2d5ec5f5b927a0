"""Trains a student: what a config file describes, taught by the distributions of another model.

    agejax distil TEACHER --config STUDENT [--workdir DIR] [--config.train.steps=2000 ...]

TEACHER is a run, such as an ensemble, one of its checkpoints, a file that `agejax export --to
weights` wrote, or agejax.pretrained:faces, the weights that come with agejax. It is needed for
training alone: the student is resumed, evaluated, exported and served like any other run.

    --unlabelled=FOLDER   more faces to learn from the teacher: face crops, or a table of them
    --weight=0.5          share of the teacher in the loss; labels have the rest
    --temperature=1       by which the teacher's distributions and the student's are softened

These are config.distil.teacher, .unlabelled, .weight and .temperature; config.distil has the
others. All further options are those of `agejax train`. docs/distillation.md says more.
"""

import sys
from typing import Any, NoReturn

from agejax.cli import train
from agejax.errors import UserError
from agejax.utils.program import program

_SHORT = ("unlabelled", "weight", "temperature")
_ALONE = ("list", "nolist", "help", "h")  # options that no value follows


def add(commands: Any) -> None:
    """Declares the command; `main` reads its options, whose names depend on the config."""
    text = "train a student to predict what another model does: TEACHER --config FILE"
    commands.add_parser("distil", help=text)


def main(argv: list[str]) -> NoReturn:
    """Is `agejax distil`; `argv` begins with the program's name.

    Raises:
      SystemExit: always; it has the exit code.
    """
    if any(arg in ("--help", "-h", "-help") for arg in argv[1:]):
        with program():
            print((__doc__ or "").strip())
        sys.exit(0)
    with program():
        argv = [argv[0], *as_settings(argv[1:])]
    train.main(argv)


def as_settings(args: list[str]) -> list[str]:
    """The arguments as `agejax train` takes them.

    Raises:
      UserError: no teacher is named, or two are.
    """
    teachers, rest = [], []
    value_follows = False
    for arg in args:
        if arg.startswith("-"):
            name = arg.lstrip("-").partition("=")[0]
            value_follows = "=" not in arg and name not in _ALONE
            rest.append(_whole(arg, name))
        elif value_follows:
            value_follows = False
            rest.append(arg)
        else:
            teachers.append(arg)
    named = [arg for arg in rest if arg.lstrip("-").partition("=")[0] == "config.distil.teacher"]
    if len(teachers) + len(named) > 1:
        raise UserError(
            f"{' and '.join([*teachers, *named])}: name one teacher; `agejax ensemble` makes one "
            f"model of several runs"
        )
    if not teachers and not named:
        raise UserError(
            "name the teacher, as in `agejax distil runs/both --config STUDENT.py`; see "
            "`agejax distil --help`"
        )
    return [*rest, *(f"--config.distil.teacher={teacher}" for teacher in teachers)]


def _whole(arg: str, name: str) -> str:
    return f"--config.distil.{arg.lstrip('-')}" if name in _SHORT else arg
