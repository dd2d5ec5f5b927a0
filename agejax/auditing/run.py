"""An audit from a source of faces to what is written of it."""

from collections.abc import Collection
from pathlib import Path

from ml_collections import ConfigDict

from agejax.auditing import good as goods
from agejax.auditing.audit import Audit, audit
from agejax.auditing.features import features_of
from agejax.auditing.sheet import write_sheet
from agejax.auditing.sources import is_table, open_source
from agejax.auditing.table import write_table
from agejax.checkpoints.run_dir import read_checkpoint
from agejax.errors import UserError
from agejax.utils.notes import note


def audited(
    source: Path | None,
    config: ConfigDict | None,
    split: str,
    *,
    checkpoint: Path | None,
    root: str | None,
    out: Path | None,
    seed: int,
    trust: Collection[str] = (),
) -> Audit:
    """Audits the labels of a source; see `agejax.auditing.sources.open_source`.

    Args:
      source: a table, a data set, or the folder of the folds of a training.
      config: in place of `source`.
      split: "all", or the name of one.
      checkpoint: a run, or a file of weights, whose features are used; None for the package's.
      root: the base folder of a table's relative paths; None for the table's own.
      out: a table that will be written; the features are kept beside it.
      seed: of the small networks.
      trust: modules whose code the configs of folds may name.

    Raises:
      UserError: there is no such data or checkpoint, or no label is known.
    """
    data, predicted = open_source(source, config, root, split, trust)
    cache = out and out.with_name(f"{out.stem}.features.npz")
    return audit(data, features_of(read_checkpoint(checkpoint), data, cache), seed, predicted)


def check_places(source: Path | None, out: Path | None, good: Path | None) -> None:
    """Raises a `UserError` if what is to be written cannot be, or is the table itself."""
    if good:
        if source is None or not is_table(source):
            raise UserError("--good writes a table again, so that the faces have to be a table")
        goods.check_out(source, good)
    if out and source and out.exists() and source.exists() and out.samefile(source):
        raise UserError(f"-o {out}: this is the table itself; name another file")


def write(result: Audit, out: Path | None, sheet: Path | None, faces: int = 500) -> None:
    """Writes the table and the page to look through, where they are asked for, with notes."""
    if out:
        write_table(result, out)
        note(f"{out}: {sum(of.labels.known.sum() for of in result.tasks.values()):,} labels")
    if sheet:
        note(f"{sheet}: {write_sheet(result, sheet, faces):,} labels to look through")


def write_good(
    result: Audit,
    source: Path,
    root: str | None,
    good: Path,
    above: float,
    ticked: Collection[tuple[str, str]] | None = None,
) -> None:
    """Writes the table again without the wrong labels, those ticked or of a `p_wrong` above."""
    wrong = goods.flagged(result, above) if ticked is None else ticked
    kept, left_out = goods.write_good(source, root, wrong, good)
    note(f"{good}: {kept:,} rows, {left_out:,} labels left out")
