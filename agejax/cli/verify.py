"""`agejax verify`: are the checkpoints of a run what was written."""

from pathlib import Path
from typing import Any

from agejax.errors import UserError


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser("verify", help="are the checkpoints of a run what was written")
    command.add_argument("run_folder", metavar="run", type=Path, help="a run, such as runs/small")
    text = "give checkpoints without a manifest, of older versions, one: as they are now"
    command.add_argument("--seal", action="store_true", help=text)
    command.set_defaults(run=run)


def run(run_folder: Path, seal: bool) -> int:
    """Reads every file of every checkpoint, and opens its arrays.

    Prints a line for each, and gives 2 if one is damaged.

    Raises:
      UserError: there are none.
    """
    from agejax.checkpoints import manifest
    from agejax.checkpoints.run_dir import check_is_folder
    from agejax.checkpoints.step_folders import StepFolders, told
    from agejax.checkpoints.stored_arrays import unopened

    check_is_folder(run_folder)
    folders = StepFolders(run_folder / "checkpoints")
    if not (steps := folders.steps()):
        raise UserError(f"{run_folder}: there is no trained run here (no checkpoint)")
    damaged = 0
    for step in steps:
        unsealed = not (folders / step / manifest.NAME).exists()
        if seal and unsealed and not (folders / step).is_symlink():
            manifest.seal(folders / step, step)
        wrong = folders.problems(step) or unopened(folders / step)
        print(told(folders / step, wrong) if wrong else f"{folders / step} is whole")
        damaged += bool(wrong)
    return 2 if damaged else 0
