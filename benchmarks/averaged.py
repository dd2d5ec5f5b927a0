"""Averages the predictions of several runs on the test faces, for `agejax compare`.

    python benchmarks/averaged.py benchmarks/results/torch-[01].npz -o runs/torch-01.npz
    agejax compare --a runs/torch-01.npz --b benchmarks/results/ensemble-0.npz

Writes the mean of their probabilities. Unlike `agejax ensemble`, it accepts predictions of any tool
and creates no model.
"""

import argparse
from pathlib import Path

import numpy as np

from agejax.errors import UserError
from agejax.evaluation.predictions import predictions_file, read_predictions


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    if args.out.suffix != ".npz":
        parser.error(f"--out {args.out}: name a file that ends in .npz")
    try:
        of_each = [read_predictions(predictions_file(run, args.split)) for run in args.runs]
    except UserError as error:
        parser.error(str(error))
    if any(not np.array_equal(one["path"], of_each[0]["path"]) for one in of_each):
        parser.error("the runs read different faces")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.out, **(of_each[0] | averaged(of_each)))
    print(f"{args.out}: {len(of_each)} runs, {len(of_each[0]['path']):,} faces")


def averaged(of_each):
    """{"TASK_probabilities": the mean over runs}."""
    names = [name for name in of_each[0] if name.endswith("_probabilities")]
    return {name: np.mean([one[name].astype(np.float32) for one in of_each], 0) for name in names}


if __name__ == "__main__":
    main()
