"""agejax's side of `predict.py`: a config's model with random weights; also used by `serve.py`."""

import os
import sys
from itertools import cycle, islice
from pathlib import Path

from turns import serve

from agejax.config import from_file
from agejax.inference.predictor import Predictor
from agejax.inference.show import as_lines
from agejax.kernels.cpu import keep_freed_memory
from agejax.metrics.calibration import Calibration
from agejax.steps.model_factory import make_model


def predictor(config, batch_size):
    keep_freed_memory()  # as the commands do
    config = from_file(Path(config))
    calibration = Calibration({"age": 1.1, "gender": 1.1}, {"age": 0.1}, 100)
    return Predictor(*make_model(config), config, 0, batch_size, calibration)


def main(config, kind, folder):
    files = sorted(Path(folder).iterdir())
    model = predictor(config, 64)
    with open(os.devnull, "w") as out:
        show = as_lines(out)

        def work(n):
            for reading in model.read(islice(cycle(files), n), photos=kind == "photos"):
                show(reading)

        serve(work)


if __name__ == "__main__":
    main(*sys.argv[1:])
