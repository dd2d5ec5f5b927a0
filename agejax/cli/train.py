"""`agejax train`: what a config file describes, or a sweep of it."""

import sys
from typing import Any, NoReturn

from agejax.utils.program import end_quietly_on_interrupt, interrupt_as_usual, program


def add(commands: Any) -> None:
    """Declares the command; `main` reads its options, whose names depend on the config."""
    commands.add_parser("train", help="train what a config file describes: --config FILE")


def main(argv: list[str]) -> NoReturn:
    """Is `agejax train`; `argv` begins with the program's name.

    Raises:
      SystemExit: always; it has the exit code.
    """
    end_quietly_on_interrupt()  # the imports take seconds
    from agejax.cli import launch

    interrupt_as_usual()
    with program(notes=True):
        sys.exit(launch.main(argv))
