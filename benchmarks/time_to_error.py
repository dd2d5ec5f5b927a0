"""Validation error against minutes: configs/finetune.py beside torch's plain fine-tuning.

    python benchmarks/time_to_error.py --manual_dir DIR --torch-python PYTHON [--rounds 2]

Each round trains both at the same time, each on one core, and the next round exchanges the cores:
our weights from the package, torch's (benchmarks/torch_recipe.py) from ImageNet. PYTHON has torch,
timm and agejax. Minutes are counted from the start of each process to each line with a validation
error, so that imports, decoding, compiling and validation are included on both sides; the data set
is built before. The test split is evaluated by neither here: torch's recipe keeps predictions of
it, at which nobody has to look.

Rounds are written to `--json` when they end, and are not repeated; docs/images/time-to-error.svg is
drawn from them (`--draw` only draws). `--smoke` takes painted faces and a few steps; with it and
`--programs agejax`, no torch is needed. Leave the rest of the machine idle.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from agejax.data.imdb_wiki import imdb_wiki
from agejax.reports.plots import Axis, chart, line, standalone
from agejax.utils.atomic_write import write_text
from tfds_imdb_wiki.paint.archive import write_archive

ROOT = Path(__file__).parent.parent
JSON = ROOT / "benchmarks" / "results" / "time_to_error.json"
PLOT = ROOT / "docs" / "images" / "time-to-error.svg"
PROGRAMS = {"agejax": "configs/finetune.py", "torch": "torch's plain fine-tuning from ImageNet"}
_LINE = re.compile(r"(?:step|epoch) (\d+): validation MAE ([\d.]+)")
_SMALL = ("data.size=32", "data.margin=0.4", "train.steps=4", "train.eval_every=2")


def command(program: str, seed: int, out: Path, args: argparse.Namespace) -> list[str]:
    """What trains one side."""
    places = {"manual_dir": args.manual_dir, "data_dir": args.data_dir}
    places = {key: place for key, place in places.items() if place is not None}
    if program == "torch":
        found = [str(args.torch_python), "benchmarks/torch_recipe.py", f"--out={out}"]
        found += [f"--seed={seed}", f"--epochs={1 if args.smoke else 8}"]
        return found + [f"--{key}={place}" for key, place in places.items()]
    found = [sys.executable, "launch.py", "--config=configs/finetune.py", f"--workdir={out}"]
    changes = [f"seed={seed}", "data.source=agejax.data.imdb_wiki:imdb_wiki", "data.path=None"]
    changes += [f"data.{key}={place}" for key, place in places.items()]
    changes += ["eval.split=validation", *(_SMALL if args.smoke else ())]
    changes += [] if args.steps is None else [f"train.steps={args.steps}"]
    return found + [f"--config.{change}" for change in changes]


def follow(argv: list[str], core: int, log: Path) -> list[list[float]]:
    """Runs a program on one core, from a thread of its own: [[minutes, MAE] of each validation].

    Raises:
      RuntimeError: it failed.
    """
    start, points = time.perf_counter(), []
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})  # of this thread, and of what it starts
    process = subprocess.Popen(
        argv,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,  # a progress bar's carriage returns end lines, too
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
    )
    with process, log.open("w", encoding="utf-8") as kept:
        for text in process.stdout:
            kept.write(text)
            if found := _LINE.search(text):
                minutes = (time.perf_counter() - start) / 60
                points.append([round(minutes, 3), float(found[2])])
    if process.returncode:
        raise RuntimeError(f"{argv[1]} failed; {log} has its output")
    return points


def measure(number: int, args: argparse.Namespace) -> dict[str, object]:
    """One round: all programs at once, each on its core."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0, 1]
    if len(cores) < len(args.programs):
        raise RuntimeError(f"{len(args.programs)} programs need a core each; here is {len(cores)}")
    curves: dict[str, list[list[float]]] = {}
    failed: list[RuntimeError] = []

    def one(i: int, program: str) -> None:
        out = args.out / f"{program}-{number}"
        out.parent.mkdir(parents=True, exist_ok=True)
        core = cores[(i + number) % len(args.programs)]
        try:
            log = out.with_suffix(".log")
            curves[program] = follow(command(program, number, out, args), core, log)
        except RuntimeError as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=pair) for pair in enumerate(args.programs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return {"round": number, "curves": curves}


def reached(curve: list[list[float]], mae: float) -> float | None:
    """Minutes until the first validation with that error or a lower one."""
    return next((minutes for minutes, error in curve if error <= mae), None)


def report(rounds: list[dict]) -> str:
    """The best error of each side, and when ours reaches torch's best."""
    lines = []
    for one in rounds:
        for program, curve in one["curves"].items():
            minutes, best = min(curve, key=lambda point: point[1])
            lines.append(f"round {one['round']}, {program}: {best:.2f} after {minutes:.1f} minutes")
        ours, theirs = (one["curves"].get(program) for program in PROGRAMS)
        if ours and theirs:
            at = reached(ours, min(error for _, error in theirs))
            lines.append(
                "  torch's best: " + ("not reached" if at is None else f"{at:.1f} minutes")
            )
    return "\n".join(lines)


def draw(rounds: list[dict]) -> str:
    """The curves of all rounds as an SVG file's text."""
    styles = dict(zip(PROGRAMS, "ab", strict=True))
    curves = [(p, curve) for one in rounds for p, curve in one["curves"].items()]
    marks = [line(*zip(*curve, strict=True), styles[program]) for program, curve in curves if curve]
    longest = max((curve[-1][0] for _, curve in curves if curve), default=60)
    worst = max((error for _, curve in curves for _, error in curve), default=8)
    x = Axis("minutes on one core", 0, 10 * math.ceil(longest / 10))
    y = Axis("validation MAE, years", 4, max(6, min(9, math.ceil(worst))))
    keys = [(styles[program], name) for program, name in PROGRAMS.items()]
    return standalone(chart(x, y, *marks, alt=report(rounds), keys=keys, width=640, height=360))


def main() -> None:
    """Trains the rounds that are missing, then draws and prints all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--manual_dir", help="folder of the archives")
    parser.add_argument("--data_dir", default=None, help="folder of the built data sets")
    parser.add_argument("--torch-python", type=Path, default=Path(sys.executable))
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=[*PROGRAMS])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=None, help="of ours, instead of the config's")
    parser.add_argument("--out", type=Path, default=Path("runs/time_to_error"))
    parser.add_argument("--json", type=Path, default=JSON)
    parser.add_argument("--plot", type=Path, default=PLOT)
    parser.add_argument("--draw", action="store_true", help="train nothing")
    parser.add_argument("--smoke", action="store_true", help="painted faces, a few steps")
    args = parser.parse_args()
    args.out = args.out.absolute()
    with tempfile.TemporaryDirectory() as folder:
        if args.smoke:
            write_archive(Path(folder), "imdb", 400)
            args.manual_dir, args.data_dir = folder, f"{folder}/built"
            args.out = Path(folder, "runs")
        if not args.draw:
            if args.manual_dir is None:
                parser.error("--manual_dir is needed to train; --draw draws what is there")
            imdb_wiki("train", manual_dir=args.manual_dir, data_dir=args.data_dir)
            run(args)
        rounds = read_rounds(args.json)
        write_text(args.plot, draw(rounds))
        print(report(rounds))


def read_rounds(file: Path) -> list[dict]:
    """The rounds so far."""
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []


def run(args: argparse.Namespace) -> None:
    """Trains the rounds that are not in the file of results."""
    for number in range(args.rounds):
        rounds = read_rounds(args.json)
        if not any(one["round"] == number for one in rounds):
            rounds.append(measure(number, args))
            write_text(args.json, json.dumps(rounds) + "\n")


if __name__ == "__main__":
    main()
