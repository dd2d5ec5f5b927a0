"""The `agejax` command."""

import argparse
import sys

from agejax.commands import compare, describe, predict, repeat
from agejax.errors import one_line

_COMMANDS = (predict, describe, compare, repeat)


def main() -> None:
    """Entry of the `agejax` command."""
    parser = argparse.ArgumentParser(prog="agejax", description="Age and gender from face crops.")
    names = " | ".join(command.__name__.rpartition(".")[2] for command in _COMMANDS)
    subparsers = parser.add_subparsers(required=True, metavar=names)
    for command in _COMMANDS:
        command.add(subparsers)
    args = vars(parser.parse_args())
    with one_line():
        sys.exit(args.pop("run")(**args))
