"""configs/face_resnet.py at more pixels, with the time that is left, one seed after the other.

Faces that were packed at 112 pixels have no more detail at 160: pack them with `--size 160`.
"""

import itertools

from faces import run
from figures import SMOKE, Figures, seconds_left

EPOCH = 192
SIZES = {160: ((112, 5 * EPOCH),), 192: ((128, 5 * EPOCH),), 224: ((128, 6 * EPOCH),)}


def main():
    figures = Figures("recipes")
    for seed, (size, stages) in itertools.product(range(3), SIZES.items()):
        if seconds_left() < 40:
            break
        run(
            figures,
            f"{size}-{seed}",
            size,
            dtype="bfloat16",
            stages=() if SMOKE else stages,
            seed=seed,
        )
        if SMOKE:
            break


if __name__ == "__main__":
    main()
