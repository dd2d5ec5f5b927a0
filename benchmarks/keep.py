"""Keeps what runs said of each test face: then `agejax compare` needs no training to be repeated.

    python benchmarks/keep.py runs/torch-0 runs/recipe/base-0    # to benchmarks/results/NAME.npz
    agejax compare --a benchmarks/results/torch-?.npz --b benchmarks/results/base-?.npz

Names, labels and probabilities alone, these in float16 and without those below a thousandth: 140 KB
a run. Ages read from them may differ by a year where two were as likely.
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
        file = args.to / f"{run.name}.npz"
        np.savez_compressed(file, **{name: smaller(x) for name, x in arrays.items()})
        print(f"{file}: {file.stat().st_size / 1000:.0f} KB")


def smaller(x):
    return np.where(x < 1e-3, 0, x).astype(np.float16) if x.dtype.kind == "f" else x


if __name__ == "__main__":
    main()
