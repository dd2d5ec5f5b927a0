"""Stores the test predictions of runs, so that `agejax compare` works without training them again.

    python benchmarks/keep.py runs/torch-0 runs/recipe/base-0    # to benchmarks/results/NAME.npz
    agejax compare --a benchmarks/results/torch-?.npz --b benchmarks/results/base-?.npz

`--split SET/test` stores those of one set of a mixture, with the paths of the set alone.

Stores names, labels and probabilities only, in float16 and without values below 0.001: 140 KB per
run. Ages decoded from them may differ by a year where two ages are equally likely.
"""

import argparse
from pathlib import Path

import numpy as np

from agejax.errors import UserError
from agejax.evaluation.predictions import predictions_file, read_predictions

RESULTS = Path(__file__).parent / "results"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--to", type=Path, default=RESULTS)
    args = parser.parse_args()
    args.to.mkdir(parents=True, exist_ok=True)
    for run in args.runs:
        try:
            arrays = read_predictions(predictions_file(run, args.split))
        except UserError as error:
            parser.error(str(error))
        of = args.split.rpartition("/")[0]
        if of:  # a set of a mixture, whose paths begin with its name
            arrays["path"] = np.array([path.removeprefix(f"{of}/") for path in arrays["path"]])
        file = args.to / f"{run.name}.npz"
        np.savez_compressed(file, **{name: smaller(x) for name, x in arrays.items()})
        print(f"{file}: {file.stat().st_size / 1000:.0f} KB")


def smaller(x):
    return np.where(x < 1e-3, 0, x).astype(np.float16) if x.dtype.kind == "f" else x


if __name__ == "__main__":
    main()
