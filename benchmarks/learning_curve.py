"""Validation error by number of training faces, from several starts.

    python benchmarks/learning_curve.py --manual_dir DIR [--starts faces dlib] [--faces 100 1000]

Each cell is one training by configs/finetune.py on one core, with 320 steps for 12,000 faces and
as many more or less as the root of their number; each start has the learning rate of its own
config. The starts: `faces`, the weights in the package; `frozen`, the same with the heads alone
trained; `dlib`, face recognition, and `imagenet`, EfficientNet-Lite0, of the packages with
published weights; `nothing`. A part of the faces consists of persons chosen by the seed, and is
contained in every larger one.

A cell is written to `--json` as soon as it is there, and is not trained again unless its settings
or its start's file have changed; a cell that was stopped by a signal goes on. The plot,
docs/images/learning-curve.svg, is drawn from the cells of that file; `--draw` draws it alone.
Minutes are CPU time on one core, so that other work on the machine changes them little; they
include validation, and compiling where no earlier run has kept the program. The test split is not
opened.
"""

import argparse
import hashlib
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from agejax import config as configs
from agejax import pretrained
from agejax.data.faces import Faces
from agejax.evaluation.open_split import open_split
from agejax.evaluation.predictions import losses, predictions_file, read_predictions
from agejax.metrics.bootstrap import ratio_intervals
from agejax.models.efficientnet_lite import EfficientNetLite0
from agejax.models.multitask import to_unit
from agejax.pretrained.start_from import dlib_faces, efficientnet_lite0_imagenet
from agejax.reports.plots import Axis, axis_around, chart, dots, line, standalone, whiskers
from agejax.training.compilation_cache import keep_compiled
from agejax.training.loop import train
from agejax.utils.atomic_write import write_text
from agejax.utils.import_by_name import name_of

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "configs" / "finetune.py"
JSON = ROOT / "benchmarks" / "results" / "learning_curve.json"
PLOT = ROOT / "docs" / "images" / "learning-curve.svg"
FACES = (100, 300, 1000, 3000, 12000)
# Of each start: the function that returns its file, and the rate of its own config.
STARTS: dict[str, tuple[Callable[[], Path] | None, float]] = {
    "faces": (pretrained.faces, 6e-4),
    "frozen": (pretrained.faces, 6e-4),
    "dlib": (dlib_faces, 1e-3),
    "imagenet": (efficientnet_lite0_imagenet, 1.5e-3),
    "nothing": (None, 1e-3),
}
_KEYS = [
    ("a", "the package's weights"),
    ("a", "its heads alone (dashed)"),
    ("b", "dlib's"),
    ("b", "Lite0 (dashed)"),
    ("muted", "nothing"),
]
_DASHED = ("frozen", "imagenet")
_STAGES = 6  # of FaceResNet
_IDENTITY = ("start", "faces", "seed", "size", "steps", "weights")


def steps_for(faces: int) -> int:
    """320 for 12,000; fewer faces have more epochs, in fewer steps."""
    return max(1, round(320 * math.sqrt(faces / 12000)))


def cell_config(start: str, faces: int, args: argparse.Namespace) -> ConfigDict:
    """The config of one training, which is validated once, at its end."""
    file, rate = STARTS[start]
    steps = args.steps or steps_for(faces)
    config = configs.from_file(CONFIG)
    config.seed = args.seed
    config.data.update(source=configs.default().data.source, path=None, size=args.size)
    config.data.update(manual_dir=args.manual_dir, data_dir=args.data_dir, train_faces=faces)
    config.model.pretrained = name_of(file) if file else None
    if start == "imagenet":
        config.model.update(trunk=EfficientNetLite0, normalise=to_unit)
        config.model.args.dropout = 0.2
    config.optim.update(learning_rate=rate, warmup_steps=steps // 10)
    config.optim.frozen_stages = _STAGES if start == "frozen" else 0
    config.train.update(steps=steps, eval_every=steps)
    config.eval.split = "validation"
    return config


def identity(start: str, faces: int, args: argparse.Namespace) -> dict[str, Any]:
    """What a cell is the result of."""
    file, _ = STARTS[start]
    digest = hashlib.sha256(file().read_bytes()).hexdigest() if file else None
    steps = args.steps or steps_for(faces)
    values = (start, faces, args.seed, args.size, steps, digest)
    return dict(zip(_IDENTITY, values, strict=True))


def measure(cell: dict[str, Any], args: argparse.Namespace, shown: Faces) -> dict[str, Any]:
    """Trains a cell; returns it with its errors on the faces `shown`."""
    name = f"{cell['start']}-{cell['faces']}-{cell['seed']}-{(cell['weights'] or '')[:8]}"
    folder = args.out / f"{cell['size']}" / f"{name}-{cell['steps']}"
    begun = time.process_time()
    figures = train(cell_config(cell["start"], cell["faces"], args), folder, save_on_signal=True)
    minutes = (time.process_time() - begun) / 60
    found = read_predictions(predictions_file(folder, "validation"))
    of = np.isin(found["path"], shown.path)
    found = {key: of_all[of] for key, of_all in found.items() if len(of_all) == len(of)}
    errors, right = losses("age", found)[:, None], losses("gender", found)
    low, high = ratio_intervals(errors, np.ones_like(errors), found["person"])[0]
    return cell | {
        "mae": round(float(errors.mean()), 3),
        "mae_interval": [round(float(low), 3), round(float(high), 3)],
        "gender": round(float(right.mean()), 4),
        "n": int(of.sum()),
        "minutes": round(minutes, 2),
        "versions": {key: figures["versions"][key] for key in ("agejax", "jax")},
    }


def read_cells(file: Path) -> list[dict[str, Any]]:
    """The cells so far."""
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []


def table(cells: list[dict[str, Any]]) -> str:
    """Markdown: error and minutes of each number of faces (rows) and start (columns)."""
    lines = ["| faces | " + " | ".join(STARTS) + " |", "|---" * (len(STARTS) + 1) + "|"]
    for faces in sorted({cell["faces"] for cell in cells}):
        row = [f"{faces:,}"]
        for start in STARTS:
            of = [c for c in cells if (c["start"], c["faces"]) == (start, faces)]
            row.append("; ".join(f"{c['mae']:.2f} ({c['minutes']:.1f} min)" for c in of))
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def draw(cells: list[dict[str, Any]]) -> str:
    """The cells as an SVG file's text."""
    marks, told = [], []
    for (style, name), start in zip(_KEYS, STARTS, strict=True):
        of = sorted((c for c in cells if c["start"] == start), key=lambda c: c["faces"])
        at = [math.log10(c["faces"]) for c in of]
        errors = [c["mae"] for c in of]
        tips = [f"{name}, {c['faces']:,} faces: {c['mae']}, {c['minutes']} minutes" for c in of]
        marks.append(line(at, errors, style, dashed=start in _DASHED))
        marks.append(whiskers(at, [c["mae_interval"] for c in of], style))
        marks.append(dots(at, errors, style, tips=tips))
        told += tips
    ticks = [math.log10(n) for n in FACES]
    x = Axis("training faces", 1.9, 4.2, ticks=ticks, names=[f"{n:,}" for n in FACES])
    y = axis_around("validation MAE, years", *(c["mae_interval"] for c in cells))
    drawn = chart(x, y, *marks, alt="; ".join(told), keys=_KEYS, width=640, height=360)
    return standalone(drawn)


def main() -> None:
    """Trains what is missing, then draws and prints all cells."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--manual_dir", help="folder of the archives")
    parser.add_argument("--data_dir", default=None, help="folder of the built data sets")
    parser.add_argument("--out", type=Path, default=Path("runs/learning_curve"))
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=[*STARTS])
    parser.add_argument("--faces", nargs="+", type=int, default=FACES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=128, help="pixels a side")
    parser.add_argument("--steps", type=int, default=None, help="of every cell")
    parser.add_argument("--json", type=Path, default=JSON)
    parser.add_argument("--plot", type=Path, default=PLOT)
    parser.add_argument("--draw", action="store_true", help="train nothing")
    args = parser.parse_args()
    if not args.draw:
        if args.manual_dir is None:
            parser.error("--manual_dir is needed to train; --draw draws what is there")
        run(args)
    cells = read_cells(args.json)
    write_text(args.plot, draw(cells))
    print(table(cells))


def run(args: argparse.Namespace) -> None:
    """Trains the cells that are not in the file of results, from the fewest faces on."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    keep_compiled()
    # The same faces for all: no image of them is in the whole training split.
    whole = cell_config("nothing", 0, args)
    shown = open_split(whole, "validation").without(open_split(whole, "train"))
    for faces in sorted(args.faces):
        for start in args.starts:
            cell = identity(start, faces, args)
            same = lambda c, cell=cell: all(c.get(key) == cell[key] for key in _IDENTITY)
            if any(map(same, read_cells(args.json))):
                continue
            done = measure(cell, args, shown)
            # Of other weights, an old cell of the same place goes.
            place = ("start", "faces", "seed")
            others = [c for c in read_cells(args.json) if any(c[k] != cell[k] for k in place)]
            write_text(args.json, json.dumps([*others, done], indent=1) + "\n")
            print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main()
