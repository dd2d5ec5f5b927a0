"""`agejax calibrate`: a run's probabilities and intervals, fitted anew."""

from pathlib import Path
from typing import Any

from agejax.cli import options


def add(commands: Any) -> None:
    """Declares the command."""
    text = "fit a run's probabilities and intervals anew, to your faces or for rare ages"
    command = commands.add_parser("calibrate", help=text)
    command.add_argument("run_dir", metavar="RUN", type=Path, help="a run, such as runs/small")
    command.add_argument("-o", "--out", type=Path, required=True, help="the folder of the new run")
    text = "move ages towards rare ones: 0 is not at all, 1 as if all were equally frequent"
    command.add_argument("--adjust", type=float, metavar="STRENGTH", help=text)
    text = "average with the mirror image, cut at each edge by this share of the side: 0.06 for one"
    command.add_argument("--mirror", type=float, metavar="CUT", help=text)
    options.add_teachers(command)
    options.add_places(command)
    command.set_defaults(run=run)


def run(
    run_dir: Path,
    out: Path,
    adjust: float | None,
    mirror: float | None,
    faces: str | None,
    split: str,
    checkpoint: str,
    manual_dir: str | None,
    data_dir: str | None,
) -> int:
    """Writes the new run, and prints what changes for the faces that taught it.

    Raises:
      UserError: there is no such run, checkpoint or split, or `out` is taken.
    """
    from agejax.experiments.recalibrate import change_lines, recalibrate
    from agejax.training.compilation_cache import keep_compiled

    keep_compiled()
    settings = {} if adjust is None else {"tasks.age.logit_adjustment": adjust}
    if mirror is not None:
        settings |= {"model.flip": True, "model.flip_cut": mirror}
    figures = recalibrate(
        run_dir,
        out,
        faces=faces,
        split=split,
        checkpoint=checkpoint,
        places=options.places(manual_dir, data_dir),
        settings=settings,
    )
    for line in change_lines(*figures):
        print(line)
    taught = figures[1]["calibration"]["n"]
    print(f"{out} has the same weights, and what {taught:,} faces have taught")
    return 0
