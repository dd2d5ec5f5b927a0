"""Groups of two or more kinds at once, such as race*gender."""

from collections.abc import Mapping

import numpy as np

from agejax.errors import UserError
from agejax.metrics.groups import UNKNOWN

MOST_CELLS = 100
_KEY = "config.eval.cross"


def crossed(cross: str, kinds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """{"race*gender": str [N]}: each face's cell, such as "Black*F"; "unknown" if a part is.

    Args:
      cross: names of kinds, joined by "*".
      kinds: {kind: str [N]}.

    Raises:
      UserError: a kind does not exist or is named twice, or there are over 100 cells.
    """
    names = [name.strip() for name in cross.split("*")]
    if len(names) < 2 or len(set(names)) < len(names):
        raise UserError(f"{_KEY} is {cross!r:.80}; it must be different kinds, as race*gender")
    if missing := [name for name in names if name not in kinds]:
        raise UserError(f"{_KEY}: there is no {missing[0]!r:.60}; there are {', '.join(kinds)}")
    if (name := "*".join(names)) in kinds:
        raise UserError(f"{_KEY} is {name!r:.80}, which is also a column; rename the column")
    rows = np.stack([kinds[part] for part in names], axis=1)
    cells, where = np.unique(rows, axis=0, return_inverse=True)
    whole = (cells != UNKNOWN).all(1)
    titles = [
        "*".join(cell) if known else UNKNOWN for cell, known in zip(cells, whole, strict=True)
    ]
    if whole.sum() > MOST_CELLS:
        raise UserError(f"{_KEY} is {name!r:.80}: {whole.sum():,} cells, over {MOST_CELLS}")
    if len({title for title in titles if title != UNKNOWN}) < whole.sum():
        raise UserError(f"{_KEY} is {name!r:.80}: '*' in a group makes two cells one; rename it")
    return {name: np.array(titles)[where.reshape(-1)]}
