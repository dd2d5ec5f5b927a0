"""What bare Orbax makes of damaged checkpoints, in a process of its own: it leaves threads behind.

Reads folders from its standard input, and prints of each "noticed", "right" or "wrong".
"""

import sys
import warnings
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from agejax.checkpoints.items import items_of
from tests.saved import same, state


def main() -> None:
    warnings.simplefilter("ignore")
    parts = items_of(state(2))
    like = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), parts)
    handler = ocp.PyTreeCheckpointer()
    for line in sys.stdin:
        folder = Path(line.rstrip("\n"))
        try:
            read = {part: handler.restore(folder / part, item=like[part]) for part in parts}
        except Exception:
            print("noticed", flush=True)
        else:
            print("right" if same(read, parts) else "wrong", flush=True)


if __name__ == "__main__":
    main()
