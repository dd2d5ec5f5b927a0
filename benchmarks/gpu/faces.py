"""Trains configs/face_resnet.py at 112 pixels: its time, and its test error.

On a CPU that config, at 112 and 128 pixels, has a test MAE of 4.62 (95%: 4.34 to 4.88).
"""

import os
import time
from pathlib import Path

from figures import SMOKE, Figures, seconds_left
from packed import dlib_weights, use_faces

from agejax import config as configs
from agejax.evaluation.table import table
from agejax.training.loop import train

CONFIG = Path(__file__).parents[2] / "configs" / "face_resnet.py"
CPU_MAE = (4.34, 4.88)


def main():
    figures = Figures("faces")
    for dtype in ("bfloat16",) if SMOKE else ("bfloat16", "float32"):
        if seconds_left() > 30:
            run(figures, dtype, 112, dtype=dtype)


def run(figures, name, size, *, dtype, stages=(), seed=0):
    """Trains, and writes the figures under `name`."""
    config = configs.from_file(CONFIG)
    which = use_faces(config)
    config.seed = seed
    config.data.size = size
    config.model.update(dtype=dtype, pretrained=dlib_weights())
    # No epoch is cut: 192 steps are a multiple of 16
    config.train.update(stages=stages, steps_per_call=16, log_every=192)
    if SMOKE:
        config.data.size = 32
        config.optim.warmup_steps = 2
        config.train.update(steps=4, steps_per_call=2, log_every=2, eval_every=4, batch_size=16)
    start = time.perf_counter()
    found = train(config, Path(os.environ["GPU_WORK"], f"faces-{name}"))
    seconds = time.perf_counter() - start
    mae, gender = found["age"]["mae"]["median"], found["gender"]["accuracy"]
    start_from = "dlib's" if config.model.pretrained else "random"
    test = {key: found[key] for key in ("split", "n", "step", "age", "gender")}
    figures.write(name, {"seconds": seconds, "faces": which, "start": start_from, "test": test})
    figures.line(
        f"face_resnet, {config.data.size} px, {dtype}, from {start_from} weights, {which}: "
        f"{seconds:.0f} s, test MAE {mae:.2f}, gender {gender:.1%}"
    )
    print(table(found), flush=True)
    return mae


if __name__ == "__main__":
    main()
