"""The `agejax` command."""

import sys

from agejax.cli import (
    calibrate,
    check,
    compare,
    crops,
    describe,
    ensemble,
    export,
    import_,
    margin,
    pack,
    predict,
    repeat,
    report,
    serve,
    verify,
)
from agejax.cli.options import Parser
from agejax.utils.program import program

_COMMANDS = (
    predict,
    report,
    export,
    serve,
    describe,
    compare,
    repeat,
    verify,
    calibrate,
    ensemble,
    crops,
    check,
    import_,
    pack,
    margin,
)


@program()
def main() -> None:
    """Entry of the `agejax` command."""
    parser = Parser(prog="agejax", description="Age and gender from face crops.")
    names = " | ".join(command.__name__.rpartition(".")[2].rstrip("_") for command in _COMMANDS)
    subparsers = parser.add_subparsers(required=True, metavar=names)
    for command in _COMMANDS:
        command.add(subparsers)
    args = vars(parser.parse_args(import_.with_values(sys.argv[1:])))
    sys.exit(args.pop("run")(**args))
