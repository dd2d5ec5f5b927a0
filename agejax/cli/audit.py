"""`agejax audit`: labels that are probably wrong."""

from pathlib import Path
from typing import Any

from agejax.cli.options import text_path
from agejax.errors import UserError

_EPILOG = """\
Each face is read by a small network on the features of a trained model, fitted to the other faces:
no person and no image is in both. p_wrong is the probability that a label is wrong (an age: by five
years or more). Nothing is left out unless --good asks for it. docs/audit.md says what it can find
and what it cannot."""


def add(commands: Any) -> None:
    """Declares the command."""
    text = "find the labels that are probably wrong in a table of faces or a data set"
    command = commands.add_parser("audit", help=text, epilog=_EPILOG)
    text = "a table, a folder that `agejax pack` wrote, or a built data set"
    command.add_argument("source", type=Path, nargs="?", help=text)
    command.add_argument("--config", type=Path, help="a config file, in place of the table")
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

    from agejax.audit import good as goods
    from agejax.audit.audit import audit
    from agejax.audit.features import features_of
    from agejax.audit.sources import is_table, open_source
    from agejax.audit.summary import summary
    from agejax.checkpoints.run_dir import read_checkpoint
    from agejax.kernels.cpu import keep_freed_memory
    from agejax.training.compilation_cache import keep_compiled

    _check(good, ticks, above, faces, seed)
    if good:
        if source is None or not is_table(source):
            raise UserError("--good writes a table again, so that the faces have to be a table")
        goods.check_out(source, good)
    if out and source and out.exists() and source.exists() and out.samefile(source):
        raise UserError(f"-o {out}: this is the table itself; name another file")
    wrong = goods.ticked(ticks) if ticks else None
    keep_compiled()
    keep_freed_memory()
    data = open_source(source, config, root, split)
    features = features_of(read_checkpoint(checkpoint), data, _cache(out))
    result = audit(data, features, seed)
    _write(result, out, sheet, faces)
    aside = sys.stderr if out is None else sys.stdout
    for line in summary(result, above):
        print(line, file=aside)
    if good and source:
        wrong = goods.flagged(result, above) if wrong is None else wrong
        kept, left_out = goods.write_good(source, root, wrong, good)
        print(f"{good}: {kept:,} rows, {left_out:,} labels left out", file=aside)
    return 0


def _check(good: Path | None, ticks: Path | None, above: float, faces: int, seed: int) -> None:
    if ticks and not good:
        raise UserError("--ticks goes with --good")
    if not 0 <= above <= 1:
        raise UserError(f"--above is {above:g}; it is a probability, from 0 to 1")
    if faces < 1 or seed < 0:
        raise UserError("--faces must be 1 or more, and --seed 0 or more")


def _cache(out: Path | None) -> Path | None:
    return out and out.with_name(f"{out.stem}.features.npz")


def _write(result: Any, out: Path | None, sheet: Path | None, faces: int) -> None:
    import sys

    from agejax.audit.sheet import write_sheet
    from agejax.audit.table import write_table

    write_table(result, out)
    if out:
        print(f"{out}: {sum(of.labels.known.sum() for of in result.tasks.values()):,} labels")
    if sheet:
        n = write_sheet(result, sheet, faces)
        print(f"{sheet}: {n:,} labels to look through", file=sys.stdout if out else sys.stderr)
