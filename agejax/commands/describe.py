"""`agejax describe`: what a model costs."""

from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser("describe", help="what a model costs: weights, FLOPs, speed")
    command.add_argument("config", type=Path, help="a config, or a run, such as runs/small")
    command.add_argument("--dry", action="store_true", help="count only, time nothing")
    command.set_defaults(run=run)


def run(config: Path, dry: bool) -> int:
    """Prints what the model of a config, or of a run, costs.

    Raises:
      UserError: there is no such config or run.
    """
    from agejax.config import from_file
    from agejax.runtime.compiled import keep_compiled
    from agejax.runtime.describe import describe
    from agejax.runtime.runs import of_the_run

    keep_compiled()
    for line in describe(
        of_the_run(config, {}) if config.is_dir() else from_file(config), measure=not dry
    ):
        print(line, flush=True)
    return 0
