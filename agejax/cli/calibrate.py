"""`agejax calibrate`: a run's probabilities and intervals, fitted anew."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agejax.cli import options
from agejax.errors import UserError


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
    text = "find the challenge age at which few under this age, in years, pass; may be repeated"
    command.add_argument("--threshold", type=int, action="append", metavar="YEARS", help=text)
    text = "the share of them that may pass (0.01)"
    command.add_argument("--pass-under", type=float, metavar="SHARE", help=text)
    text = "with which that is promised (0.95)"
    command.add_argument("--confidence", type=float, metavar="SHARE", help=text)
    text = "fit the intervals in each group of faces that are predicted alike: age, gender, or both"
    command.add_argument("--by", type=options.names, metavar="TASK,...", help=text)
    options.add_teachers(command)
    options.add_places(command)
    command.set_defaults(run=run)


def run(
    run_dir: Path,
    out: Path,
    adjust: float | None,
    mirror: float | None,
    threshold: list[int] | None,
    pass_under: float | None,
    confidence: float | None,
    by: Sequence[str] | None,
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
    for option, share in (("--pass-under", pass_under), ("--confidence", confidence)):
        if share is not None and threshold is None:
            raise UserError(f"{option} goes with --threshold")
    if by == ():
        raise UserError("--by names age, gender, or both")
    from agejax.experiments.challenge import CONFIDENCE, PASS_UNDER, Asked, challenge_lines
    from agejax.experiments.recalibrate import change_lines, recalibrate
    from agejax.metrics.calibration import LEVEL
    from agejax.metrics.interval_groups import group_lines
    from agejax.training.compilation_cache import keep_compiled

    keep_compiled()
    settings = {} if adjust is None else {"tasks.age.logit_adjustment": adjust}
    if mirror is not None:
        settings |= {"model.flip": True, "model.flip_cut": mirror}
    asked = None
    if threshold is not None:
        share = PASS_UNDER if pass_under is None else pass_under
        asked = Asked(threshold, share, CONFIDENCE if confidence is None else confidence)
    figures = recalibrate(
        run_dir,
        out,
        faces=faces,
        split=split,
        checkpoint=checkpoint,
        places=options.places(manual_dir, data_dir),
        settings=settings,
        challenge=asked,
        by=by or (),
    )
    for line in change_lines(*figures):
        print(line)
    fitted = figures[1]["calibration"]
    for line in (
        *group_lines(fitted["by_group"], LEVEL),
        *challenge_lines(fitted["challenge"]),
    ):
        print(line)
    print(f"{out} has the same weights, and what {fitted['n']:,} faces have taught")
    return 0
