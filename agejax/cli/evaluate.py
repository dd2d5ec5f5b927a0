"""`agejax evaluate`: a run's checkpoint on a split of its data, or of others."""

from pathlib import Path
from typing import Any

from agejax.cli.options import setting


def add(commands: Any) -> None:
    """Declares the command; where it is given a config file, it is `agejax train` in mode eval."""
    text = "evaluate a run on a split: RUN, or --config FILE"
    command = commands.add_parser("evaluate", help=text)
    command.add_argument("run_dir", metavar="RUN", type=Path, help="a run, such as runs/small")
    command.add_argument("--split", default="test", help="whose faces (test)")
    command.add_argument("--checkpoint", default="best", help="best (default), latest or a step")
    text = "what is otherwise than in the run's config, as --config.KEY=VALUE too"
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=text)
    command.set_defaults(run=run)


def names_config(args: list[str]) -> bool:
    """Whether among the arguments of the command is a config file."""
    return any(arg.lstrip("-").partition("=")[0] == "config" and arg[0] == "-" for arg in args)


def with_settings(args: list[str]) -> list[str]:
    """The arguments of the command with each `--config.KEY=VALUE` as `--set=KEY=VALUE`."""
    return [
        f"--set={arg.removeprefix('--config.')}" if arg.startswith("--config.") else arg
        for arg in args
    ]


def run(run_dir: Path, split: str, checkpoint: str, set: list[str]) -> int:
    """Evaluates a run, writes that down in its `eval/`, and prints the figures.

    Raises:
      UserError: there is no such run, checkpoint or split, or its data are not there.
    """
    from agejax.checkpoints.run_dir import of_the_run
    from agejax.evaluation.evaluate import evaluate
    from agejax.evaluation.table import table
    from agejax.reports.contact_sheet import picture_of_run
    from agejax.training.compilation_cache import keep_compiled

    keep_compiled()
    asked = {"eval.split": split, "eval.checkpoint": checkpoint}
    config = of_the_run(run_dir, asked | dict(map(setting, set)))
    print(table(evaluate(config, run_dir)))
    print(picture_of_run(config, run_dir))
    return 0
