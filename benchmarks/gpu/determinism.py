"""`config.train.deterministic`: two runs, and one that is killed and resumed, compared bit by bit.

Each run is a process of its own and compiles by itself; the first ones run at the same time.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
from figures import SMOKE, Figures
from packed import use_faces

from agejax import config as configs
from agejax.checkpoints.run_dir import read_checkpoint
from agejax.training.loop import train

STEPS, EVERY = (12, 4) if SMOKE else (400, 50)


def run(folder):
    """Trains in `folder`, or resumes."""
    config = configs.default()
    use_faces(config, most=600)
    with config.unlocked():
        config.model.args = {"widths": (32, 64, 128), "depths": (1, 2, 2), "dropout": 0.3}
    config.data.size = 16 if SMOKE else 64
    config.augment.update(shift=0.05, zoom=0.1, brightness=0.2, cutout=0.25)
    config.optim.warmup_steps = 2
    config.train.update(deterministic=True, steps=STEPS, eval_every=EVERY, log_every=EVERY)
    config.train.update(batch_size=16 if SMOKE else 64, ema=0.9)
    train(config, folder)


def start(folder):
    return subprocess.Popen([sys.executable, __file__, str(folder)])


def killed(folder, process):
    """Kills a run once it has a checkpoint; the last step it had saved, None if it ended before."""
    while process.poll() is None:
        if steps := saved(folder):
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return max(steps)
        time.sleep(0.01)
    return None


def saved(folder):
    return [int(f.name) for f in folder.glob("checkpoints/*") if f.name.isdecimal()]


def main():
    figures, work = Figures("determinism"), Path(os.environ["GPU_WORK"])
    if not SMOKE:
        prepare(work)
    folders = [work / f"determinism-{name}" for name in ("first", "second", "killed")]
    if SMOKE:  # one after the other, on few cores; the first makes the faces
        run(folders[0])
        run(folders[1])
        at = killed(folders[2], start(folders[2]))
    else:
        runs = [start(folder) for folder in folders]
        at = killed(folders[2], runs[2])
        for process in runs[:2]:
            if code := process.wait():
                sys.exit(code)
    if code := start(folders[2]).wait():
        sys.exit(code)
    first, *others = (leaves(folder) for folder in folders)
    same = [identical(first, other) for other in others]
    words = ["different", "bit-identical"]
    figures.write("two_runs_identical", same[0])
    figures.write("killed", {"after_step": at, "identical": same[1]})
    figures.write("device", jax.devices()[0].device_kind)
    figures.line(f"train.deterministic, {STEPS} steps: two runs are {words[same[0]]}")
    when = "not, it ended before" if at is None else f"after step {at}"
    figures.line(f"killed ({when}) and resumed: {words[same[1]]}")
    sys.exit(int(not all(same)))


def prepare(work):
    """Unpacks or paints the faces, which three runs at once would do thrice."""
    config = configs.default()
    use_faces(config, most=600)
    if not config.data.painted:
        return
    from agejax.data.imdb_wiki import imdb_wiki

    data = config.data
    imdb_wiki("train", manual_dir=data.manual_dir, data_dir=data.data_dir, painted=data.painted)


def leaves(folder):
    return jax.tree.leaves(read_checkpoint(folder, "latest").weights)


def identical(a, b):
    """Whether all arrays have the same bytes."""
    same = (np.asarray(x).tobytes() == np.asarray(y).tobytes() for x, y in zip(a, b, strict=True))
    return all(same)


if __name__ == "__main__":
    run(Path(sys.argv[1])) if len(sys.argv) > 1 else main()
