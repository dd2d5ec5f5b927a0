"""`agejax audit`: labels that are probably wrong."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from agejax.cli.options import text_path
from agejax.errors import UserError

_EPILOG = """\
Each face is read by a small network on the features of a trained model, fitted to the other faces:
no person and no image is in both. With --folds, it is read by a network that was trained without
it. p_wrong is the probability that a label is wrong (an age: by five
years or more). Nothing is left out unless --good asks for it. docs/audit.md says what it can find
and what it cannot."""


def add(commands: Any) -> None:
    """Declares the command."""
    text = "find the labels that are probably wrong in a table of faces or a data set"
    command = commands.add_parser("audit", help=text, epilog=_EPILOG)
    text = "a table, a folder that `agejax pack` wrote, a built data set, or a folder of folds"
    command.add_argument("source", type=Path, nargs="?", help=text)
    command.add_argument("--config", type=Path, help="a config file, in place of the table")
    text = "train the config in this many folds, or go on with it, and audit what they predict"
    command.add_argument("--folds", type=int, metavar="K", help=text)
    text = "the folder of the folds (runs/NAME, after the config)"
    command.add_argument("--workdir", type=Path, help=text)
    command.add_argument("--jobs", type=int, default=1, help="folds trained at once (1)")
    command.add_argument("--split", default="all", help="whose labels (all)")
    text = "a run, such as runs/small, or a file of weights (those that come with agejax)"
    command.add_argument("--checkpoint", type=Path, help=text)
    text = "the folder that paths start from (the table's own)"
    command.add_argument("--root", type=text_path, help=text)
    text = "the table to write, as CSV (to stdout); the features are kept beside it"
    command.add_argument("-o", "--out", type=Path, help=text)
    text = "write a page to look through the faces and tick the wrong labels"
    command.add_argument("--sheet", type=Path, metavar="FILE", help=text)
    command.add_argument("--faces", type=int, default=500, help="labels in that page (500)")
    text = "write the table again without the labels that are wrong"
    command.add_argument("--good", type=Path, metavar="FILE", help=text)
    text = "with --good: the wrong labels are those ticked in this file, which the page saved"
    command.add_argument("--ticks", type=Path, metavar="FILE", help=text)
    text = "a label counts as wrong with a probability above this (0.5)"
    command.add_argument("--above", type=float, default=0.5, metavar="P", help=text)
    command.add_argument("--seed", type=int, default=0, help="of the small networks (0)")
    command.set_defaults(run=run)


def run(
    source: Path | None,
    config: Path | None,
    folds: int | None,
    workdir: Path | None,
    jobs: int,
    split: str,
    checkpoint: Path | None,
    root: str | None,
    out: Path | None,
    sheet: Path | None,
    faces: int,
    good: Path | None,
    ticks: Path | None,
    above: float,
    seed: int,
) -> int:
    """Writes what is asked for, and prints who is flagged.

    Raises:
      UserError: there is no such data or checkpoint, or options do not go together.
    """
    import sys
    from contextlib import redirect_stdout

    from agejax import config as configs
    from agejax.auditing import run as auditing
    from agejax.auditing.good import ticked
    from agejax.auditing.sources import check_one
    from agejax.auditing.summary import summary
    from agejax.auditing.table import write_table
    from agejax.kernels.cpu import keep_freed_memory
    from agejax.training.compilation_cache import keep_compiled

    _check(good, ticks, above, faces, seed)
    _check_folds(source, config, folds, workdir, split)
    check_one(source, config)
    auditing.check_places(source, out, good)
    wrong = ticked(ticks) if ticks else None
    keep_compiled()
    keep_freed_memory()
    # The table is what stdout is for where no file is named.
    with redirect_stdout(sys.stdout if out else sys.stderr):
        named = None if config is None else configs.from_file(config)
        trust: Collection[str] = () if named is None else configs.modules_of(named)
        if config is not None and folds is not None:
            source, code = _trained(config, folds, workdir, jobs)
            if code:
                return code
            named = None
        result = auditing.audited(
            source, named, split, checkpoint=checkpoint, root=root, out=out, seed=seed, trust=trust
        )
    if out is None:
        write_table(result, out)
    with redirect_stdout(sys.stdout if out else sys.stderr):
        auditing.write(result, out, sheet, faces)
        print(*summary(result, above), sep="\n")
        if good and source:
            auditing.write_good(result, source, root, good, above, wrong)
    return 0


def _check(good: Path | None, ticks: Path | None, above: float, faces: int, seed: int) -> None:
    if ticks and not good:
        raise UserError("--ticks goes with --good")
    if not 0 <= above <= 1:
        raise UserError(f"--above is {above:g}; it is a probability, from 0 to 1")
    if faces < 1 or seed < 0:
        raise UserError("--faces must be 1 or more, and --seed 0 or more")


def _check_folds(
    source: Path | None, config: Path | None, folds: int | None, workdir: Path | None, split: str
) -> None:
    if folds is None:
        if workdir is not None:
            raise UserError("--workdir is for the folds that --folds trains")
        return
    if config is None or source is not None:
        raise UserError("--folds trains what a config describes: --config FILE --folds 5")
    if split != "all":
        raise UserError("folds are audited as a whole; leave --split out")


def _trained(config: Path, folds: int, workdir: Path | None, jobs: int) -> tuple[Path, int]:
    """The folder of the folds of a config, trained as far as they are not, and the exit code."""
    import jax

    from agejax import config as configs
    from agejax.cli.launch import COMMAND
    from agejax.config import sweeps
    from agejax.experiments.sweep import run_sweep

    settings = configs.settled(configs.from_file(config))
    if sweeps.read(config, settings, {}):
        raise UserError(f"{config} is a sweep, of many runs; name one of them by its own config")
    folder = workdir or Path("runs", config.stem)
    runs = sweeps.in_folds(config, settings, {}, folds)
    command = [*COMMAND, f"--config={config}", f"--folds={folds}", f"--workdir={folder}"]
    jax.config.update("jax_platforms", "cpu")  # in this process: an accelerator is for the runs
    return folder, run_sweep(runs, folder, command, jobs)
