"""What a built data set holds, for people."""

import json
from pathlib import Path

import numpy as np


def summary(folder: Path) -> str:
    """What a built data set holds, as text: drops by reason, rows, ages and genders by split."""
    report = json.loads((folder / "drop_report.json").read_text(encoding="utf-8"))
    lines = [f"{report['rows']:>9,} rows", f"{report['kept']:>9,} kept"]
    lines += [f"{n:>9,} dropped: {reason}" for reason, n in report["dropped"].items()]
    same = report["byte_identical"]
    lines.append(
        f"{same['groups']:>9,} groups of byte-identical images are kept, "
        f"{same['of_different_ages']:,} of them under different ages"
    )
    decades = [f"{a}-{a + 9}" for a in range(0, 90, 10)] + ["90-100"]
    row = "{:<11}{:>9}{:>8}" + "{:>7}" * len(decades)
    lines += ["", row.format("split", "faces", "men", *decades)]
    for path in sorted(folder.glob("columns-*.npz"), key=lambda p: p.name.rpartition("-")):
        with np.load(path, allow_pickle=False) as columns:
            ages, gender = columns["age"], columns["gender"]
        counts = np.bincount(np.minimum(ages // 10, 9), minlength=10)
        cells = [f"{len(ages):,}", f"{gender.mean():.1%}", *(f"{n:,}" for n in counts)]
        lines.append(row.format(path.stem.removeprefix("columns-"), *cells))
    return "\n".join(lines)
