"""The speed of training on faces: pixels kept on the device or sent, one step per call or many."""

import json
import os
import statistics
from pathlib import Path

from figures import SMOKE, Figures
from packed import use_faces

from agejax import config as configs
from agejax.training.loop import train

# What is changed: MiB of pixels on the device, and steps per call
WAYS = {
    "on the device, 20 steps per call": (8192, 20),
    "on the device, 1 step per call": (8192, 1),
    "sent from the host, 1 step per call": (0, 1),
}


def main():
    figures = Figures("pixels")
    for way, (mib, k) in list(WAYS.items())[: 1 if SMOKE else None]:
        config = configs.default()
        which = use_faces(config)
        with config.unlocked():
            config.model.args = {"depths": (1, 2, 2, 2)}
        config.model.dtype = "bfloat16"
        config.data.update(size=32 if SMOKE else 112, device_mib=mib)
        steps, log, k = (4, 2, 2) if SMOKE else (800, 80, k)
        config.train.update(steps=steps, log_every=log, eval_every=steps, steps_per_call=k)
        config.train.batch_size = 16 if SMOKE else 256
        folder = Path(os.environ["GPU_WORK"], f"pixels-{mib}-{k}")
        train(config, folder)
        rate, wait = speed(folder / "metrics.jsonl")
        figures.write(way, {"images_per_second": rate, "input_wait": wait, "faces": which})
        figures.line(f"small_cnn, {way}: {rate:,.0f} img/s, {wait:.1%} of it waiting; {which}")


def speed(log):
    """The median of images per second, and of the share spent waiting, after the first line."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines = [line for line in lines if "images_per_second" in line]
    later = lines[1:] or lines
    of = lambda name: statistics.median(line[name] for line in later)
    return of("images_per_second"), of("input_wait")


if __name__ == "__main__":
    main()
