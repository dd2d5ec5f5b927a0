"""`agejax repeat`: do a run again, and see whether the weights are the same."""

import os
from pathlib import Path
from typing import Any

from agejax.cli.options import setting


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser("repeat", help="do a run again: are the weights the same")
    command.add_argument("folder", type=Path, metavar="run", help="a run, such as runs/small")
    command.add_argument("--workdir", type=Path, help="where to (RUN-repeat)")
    text = "what may differ, such as --set data.manual_dir=DIR on another machine"
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=text)
    command.set_defaults(run=run)


def run(folder: Path, workdir: Path | None, set: list[str]) -> int:
    """Trains a run again and says what differs; 0 if the weights are bit-identical, else 1.

    Raises:
      UserError: there is no finished run, or what is set would make it another one.
    """
    from agejax.experiments.reproduce import repeat
    from agejax.training.compilation_cache import keep_compiled

    keep_compiled()
    changes = dict(map(setting, set))
    beside = Path(f"{os.path.realpath(folder)}-repeat")  # resolve() raises on links in a circle
    same = repeat(folder, workdir or beside, changes, save_on_signal=True)
    return 0 if same else 1
