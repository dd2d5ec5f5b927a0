"""The results of `check` as lines of text."""

from collections.abc import Iterator

import numpy as np

from agejax.data.tables.check import SPLIT_NAMES, Checked

_RARE, _UNEVEN = 0.01, 0.65  # of faces in a decade, of one gender
_DECADES = [*(f"{a}-{a + 9}" for a in range(0, 70, 10)), "70+"]


def report(checked: Checked) -> Iterator[str]:
    """Lines: the table, errors, doubtful rows, counts and imbalances."""
    table = checked.table
    yield (
        f"{table.file}: {checked.rows:,} rows; {table.form}; columns {', '.join(table.columns)}; "
        f"{len(checked.columns['number']):,} can be used"
    )
    if checked.wrong:
        yield "wrong"
        yield from checked.wrong.lines()
    if checked.doubtful:
        yield "doubtful"
        yield from checked.doubtful.lines()
    if len(checked.columns["number"]):
        yield from _counts(checked)
        yield from _uneven(checked)
    for name, values in checked.values.items():
        yield _attribute(name, values)
    if not checked.wrong:
        yield "nothing is wrong"


def _counts(checked: Checked) -> Iterator[str]:
    form = "{:<12}{:>9}{:>8}{:>8}" + "{:>8}" * len(_DECADES) + "{:>9}"
    yield form.format("split", "faces", "women", "men", *_DECADES, "no age")
    columns = checked.columns
    for code, name in enumerate(SPLIT_NAMES):
        rows = columns["split"] == code
        if not rows.any():
            continue
        gender = columns["gender"][rows]
        shares = [_share((gender == of).sum(), (gender >= 0).sum()) for of in (0, 1)]
        counts, unknown = _by_decade(columns["first"][rows], columns["last"][rows])
        cells = [f"{n:,}" for n in (*counts, unknown)]
        yield form.format(name or "by hash", f"{rows.sum():,}", *shares, *cells)
    if wide := int((columns["last"] > columns["first"]).sum()):
        yield f"{wide:,} ages are ranges; each is counted in the decade of its middle"


def _by_decade(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, int]:
    known = first >= 0
    middle = (first[known].astype(int) + last[known]) // 2
    return np.bincount(np.minimum(middle // 10, 7), minlength=8), int((~known).sum())


def _uneven(checked: Checked) -> Iterator[str]:
    columns = checked.columns
    gender = columns["gender"][columns["gender"] >= 0]
    if len(gender) and max(share := np.bincount(gender, minlength=2) / len(gender)) > _UNEVEN:
        which = ("women", "men")[int(share.argmax())]
        yield f"uneven: {share.max():.0%} are {which}; config.tasks.gender.balance reweights them"
    counts, _ = _by_decade(columns["first"], columns["last"])
    if total := counts.sum():
        rare = [
            f"{name} ({n:,})" for name, n in zip(_DECADES, counts, strict=True) if n < _RARE * total
        ]
        if rare:
            yield f"uneven: few faces of {', '.join(rare)}; config.tasks.age.balance reweights ages"


def _attribute(name: str, values: dict[str, int] | None) -> str:
    if values is None:
        return f"column {name}: more than 30 values; no groups, and no task"
    counts = ", ".join(f"{value or 'unknown'} {n:,}" for value, n in sorted(values.items()))
    names = tuple(sorted(value for value in values if value))
    line = f"column {name}: {counts}"
    if len(names) < 2:
        return line
    return f'{line}; as a task: config.tasks.{name} = {{"names": {names!r}}}'


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "-"
