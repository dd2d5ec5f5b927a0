"""Command lines of `agejax` and `launch.py`, each in a fork of a process that has all imported."""

import argparse
import importlib
import os
import shutil
import sys

import agejax.cli
import agejax.serve.app
from agejax import config as configs
from agejax.cli import launch
from agejax.config import validation
from agejax.errors import one_line
from agejax.evaluation.open_split import open_split
from tests.battery.fuzz.forked import forked
from tests.battery.fuzz.mutate import odd, one_of
from tests.conftest import ROOT
from tests.photos import encoded, group_photo

# What commands import once they are called; no fork should have to.
LAZY = (
    *("agejax.data.tables.check", "agejax.data.tables.from_tfds", "agejax.data.tables.importers"),
    *("agejax.data.tables.packed", "agejax.data.tables.report", "agejax.data.tables.usable_rows"),
    *(
        "agejax.experiments.compare",
        "agejax.experiments.comparison_table",
        "agejax.experiments.reproduce",
    ),
    *("agejax.reports.crop_robustness", "agejax.data.face_detection", "agejax.inference.predictor"),
    *("agejax.reports.write", "agejax.exporters.web", "agejax.exporters.artefact"),
    *("agejax.exporters.stablehlo", "agejax.experiments.describe", "tfds_imdb_wiki.build"),
)
BAD_CONFIGS = {
    "raises.py": "def get_config():\n    return 1 / 0\n",
    "syntax.py": "def get_config(:\n",
    "nothing.py": "",
    "none.py": "def get_config():\n    pass\n",
    "exits.py": "import sys\ndef get_config():\n    sys.exit('no')\n",
    "binary.py": "\0\1\2",
    "number.py": "get_config = 5\n",
    "dict.py": "def get_config():\n    return {'train': 1}\n",
    "other.py": "import ml_collections as m\nget_config = lambda: m.ConfigDict({'a': 1})\n",
}


def prepare(folder, run, archives, built):
    for module in LAZY:
        importlib.import_module(module)
    paths = make_paths(folder, run)
    os.chdir(folder)
    os.environ |= {"PATH": "", "HOME": str(folder)}  # no npm: nothing is fetched
    agejax.serve.app.serve = lambda *args: None  # which would not end
    launch.train = lambda config, workdir, **_: begun(config)
    launch.evaluate = lambda config, workdir: begun(config)
    launch.table = launch.picture_of_run = lambda *args, **_: ""
    commands, keys = options(), [key for key, _ in configs.flat(configs.default().to_dict())]
    places = [f"--config.data.manual_dir={archives}", f"--config.data.data_dir={built}"]

    def case(rng):
        if rng.random() < 0.4:
            argv = launched(rng, keys, paths, places)
            code, out, err = forked(launch_main, argv)
        else:
            argv = ["agejax", *called(rng, commands, paths)]
            code, out, err = forked(
                agejax.cli.main, argv, one_of(rng, (b"", b"\xff\xd8\xff", b"x\n"))
            )
        said = (out + err).decode(errors="replace")
        assert code in (0, 1, 2), f"{argv}: {code}; {said[-2000:]}"
        assert "Traceback" not in said, f"{argv}: {said[-2000:]}"
        assert code != 2 or said.strip(), f"{argv} says nothing"
        return "refused" if code else "done"

    return case


def launch_main():
    with one_line():
        launch.main(sys.argv)


def begun(config):
    """What training does before it takes time."""
    validation.check(config)
    validation.check_source(config)
    open_split(config, "train")
    return {}


def make_paths(folder, run):
    """Paths of every kind that a command may be given."""
    face = group_photo().crop((300, 200, 560, 460)).resize((48, 48))
    (folder / "face.jpg").write_bytes(encoded(face))
    (folder / "broken.jpg").write_bytes(encoded(face)[:300])
    (folder / "faces.csv").write_text("path,age,gender\nface.jpg,30,male\n")
    (folder / "broken.csv").write_text("path,age\nx,1,2\n")
    for name in ("empty", "empty.csv", "empty.jpg", "empty.npz"):
        (folder / name).write_bytes(b"")
    (folder / "nothing").mkdir()
    (folder / "folder.jpg").mkdir()
    os.symlink("loop", folder / "loop")
    os.symlink(folder / "gone", folder / "dangling.jpg")
    damaged = shutil.copytree(run, folder / "damaged")
    for step in (damaged / "checkpoints").iterdir():
        (step / "config" / "metadata").write_bytes(b"{")
    bare = shutil.copytree(run, folder / "bare")
    shutil.rmtree(bare / "checkpoints")
    odd_run = shutil.copytree(run, folder / "odd")
    (odd_run / "config.json").write_text("{}")
    for name, text in BAD_CONFIGS.items():
        (folder / name).write_text(text)
    rest = sorted(file.name for file in folder.iterdir())
    return [*rest * 2, *(str(folder / name) for name in rest), "gone", "gone/there", str(run)]


def options():
    """{command: its options}, as argparse knows them."""
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    for command in agejax.cli._COMMANDS:
        command.add(subparsers)
    return {
        name: [action for action in command._actions if action.dest != "help"]
        for name, command in subparsers.choices.items()
    }


def called(rng, commands, paths):
    """Arguments of `agejax`: mostly of the right form, with something odd among them."""
    if rng.random() < 0.03:
        return [odd(rng) for _ in range(int(rng.integers(0, 4)))]
    name = one_of(rng, list(commands))
    args = []
    for action in commands[name]:
        if action.option_strings and not action.required and rng.random() < 0.7:
            continue
        if action.option_strings:
            args.append(action.option_strings[-1])
        count = 0 if action.nargs == 0 else action.nargs if isinstance(action.nargs, int) else 1
        if action.nargs in ("+", "*"):
            count = int(rng.integers(1, 3))
        args += [value(rng, action, paths) for _ in range(count)]
    if rng.random() < 0.1:
        args.insert(int(rng.integers(0, len(args) + 1)), odd(rng))
    return [name, *args]


def value(rng, action, paths):
    if action.choices and rng.random() < 0.9:
        return one_of(rng, list(action.choices))
    if action.type in (int, float) and rng.random() < 0.6:
        return one_of(rng, ("0", "1", "-1", "0.3", "3", "1e9", "nan", "99999999999999999999"))
    return one_of(rng, paths) if rng.random() < 0.8 else odd(rng)


def launched(rng, keys, paths, places):
    """Arguments of `launch.py`: a config, mostly a good one, and changes to it."""
    files = [path for path in paths if path.endswith(".py")]
    config = str(ROOT / "tests/tiny.py") if rng.random() < 0.8 else one_of(rng, files + paths)
    argv = ["launch.py", "--config", config, "--workdir", one_of(rng, paths)]
    argv += places  # nothing is downloaded
    for _ in range(int(rng.integers(0, 4))):
        key = one_of(rng, keys)
        if rng.random() < 0.1:
            key = key[:-1] + odd(rng)[:5]
        given = one_of(rng, paths) if rng.random() < 0.2 else odd(rng)
        argv.append(f"--config.{key}={given}")
    if rng.random() < 0.1:
        argv.append(
            one_of(rng, ("--list", "--run=x", "--jobs=0", "--jobs=x", "--nope", "-h", odd(rng)))
        )
    if rng.random() < 0.1:
        argv.append("--config.mode=eval")
    return argv
