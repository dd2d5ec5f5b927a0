"""The `agejax` command."""

import sys

from agejax.cli import (
    audit,
    calibrate,
    check,
    compare,
    crops,
    describe,
    distil,
    ensemble,
    evaluate,
    export,
    folds,
    import_,
    margin,
    pack,
    plant,
    predict,
    repeat,
    report,
    serve,
    soup,
    thresholds,
    train,
    verify,
)
from agejax.cli.options import Parser
from agejax.utils.program import program

_COMMANDS = (
    train,
    evaluate,
    predict,
    report,
    export,
    serve,
    describe,
    compare,
    folds,
    thresholds,
    repeat,
    verify,
    calibrate,
    ensemble,
    soup,
    distil,
    crops,
    check,
    import_,
    pack,
    margin,
    audit,
    plant,
)


def main() -> None:
    """Entry of the `agejax` command."""
    name, *args = sys.argv[1:] or [""]
    if name == "train":
        train.main(sys.argv[1:])
    elif name == "distil":
        distil.main(sys.argv[1:])
    elif name == "evaluate" and evaluate.names_config(args):
        train.main([*sys.argv[1:], "--config.mode=eval"])
    else:
        _main(name, args)


@program()
def _main(name: str, args: list[str]) -> None:
    parser = Parser(prog="agejax", description="Age and gender from face crops.")
    names = " | ".join(command.__name__.rpartition(".")[2].rstrip("_") for command in _COMMANDS)
    subparsers = parser.add_subparsers(required=True, metavar=names)
    for command in _COMMANDS:
        command.add(subparsers)
    args = evaluate.with_settings(args) if name == "evaluate" else args
    given = vars(parser.parse_args(import_.with_values([name, *args] if name else [])))
    sys.exit(given.pop("run")(**given))
