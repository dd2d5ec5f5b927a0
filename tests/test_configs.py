"""Every config of configs/ trains by the command to its last line: two steps, small networks."""

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.data.tables.conftest import jpeg

SMALL = ("data.size=32", "data.margin=0.4", "train.batch_size=8", "eval.batch_size=8")
SMALL += ("train.steps=2", "train.eval_every=2", "optim.warmup_steps=1")
NARROW = ("model.args.widths=(8,)", "model.args.depths=(1,)")


def settings(values):
    return [f"--config.{value}" for value in values]


SINGLE = {
    "efficientnet_lite0": ("train.stages=()", "model.pretrained=None"),
    "exact_and_groups": ("model.pretrained=None",),
    "face_resnet": ("train.stages=()", "model.pretrained=None"),
    "fairface_150": ("model.pretrained=None",),
    "distil": ("model.pretrained=None", "distil.teacher=None"),
    "finetune": ("model.pretrained=None",),
    "mixture": NARROW,
    "own_faces": NARROW,
    "own_trunk": ("model.args.depth=1", "model.args.width=16"),
    "quickstart": ("data.painted=0", *NARROW),
    "small": NARROW,
    "tutorial": ("model.head_width=16",),
}
RUN_OF_SWEEP = {
    "compare": ("--run=tutorial_cnn/seed0", "--config.model.head_width=16"),
    "compare_losses": ("--run=coral/seed1", *settings(NARROW)),
    "folds": ("--run=fold4", *settings(NARROW)),
    "sweep_rate": ("--run=learning_rate=0.001/seed0", *settings(("data.painted=0", *NARROW))),
}
# own_faces in folds of a table: tests/data/test_folds.py, tests/experiments/test_fold_table.py
# fairface_150 is made of fairface
NOT_TRAINED = {"benchmark", "fairface"}


@pytest.fixture
def start(launcher, monkeypatch):
    """Starts `launch.py` with what it is given; its exit code, what it prints, and its errors."""
    # No figure is looked at here, and LLVM takes its time for these networks.
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")

    def start(*argv):
        process = launcher.start(*argv, shrunk=True)
        out, err = process.communicate()
        return process.returncode, out, err

    return start


@pytest.fixture
def places(archives, built, tmp_path):
    """Where each kind of config finds its faces."""
    table = tmp_path / "faces.csv"
    for i in range(80):
        (tmp_path / f"{i}.jpg").write_bytes(jpeg(i))
    lines = [f"{i}.jpg,{20 + i % 50},{'mf'[i % 2]},White\n" for i in range(80)]
    table.write_text("path,age,gender,race\n" + "".join(lines))
    imdb = [f"data.manual_dir={archives}", f"data.data_dir={built}"]
    mixed = [f"data.sets.imdb.{place[5:]}" for place in imdb]
    tables = {
        "mixture": [*mixed, f"data.sets.mine.path={table}"],
        "distil": [*mixed, f"data.sets.fairface.path={table}"],
        "exact_and_groups": [*mixed, f"data.sets.fairface.path={table}"],
        "own_faces": [f"data.path={table}"],
        "fairface_150": [f"data.path={table}"],
        "finetune": [f"data.path={table}"],
    }
    return dict.fromkeys([*SINGLE, *RUN_OF_SWEEP], imdb) | tables


def test_each_config_has_its_line_here():
    assert {file.stem for file in (ROOT / "configs").glob("*.py")} == {
        *SINGLE,
        *RUN_OF_SWEEP,
        *NOT_TRAINED,
    }


@pytest.mark.parametrize("name", sorted([*SINGLE, *RUN_OF_SWEEP]))
def test_a_config_trains_to_the_last_line(start, places, tmp_path, name):
    changes = [*settings(places[name]), *settings(SMALL), *settings(SINGLE.get(name, ()))]
    extra = RUN_OF_SWEEP.get(name, ())
    argv = (f"--config=configs/{name}.py", f"--workdir={tmp_path / 'run'}", *changes, *extra)
    code, out, err = start(*argv)
    assert code == 0, out + err
    assert "arning" not in err
    picture = Path(out.splitlines()[-1])
    assert picture.name == "test.png"
    assert picture.is_file()


def test_a_trunk_of_ones_own_is_evaluated_and_swept_by_its_config(start, places, tmp_path):
    changes = [*settings(places["own_trunk"]), *settings(SMALL), *settings(SINGLE["own_trunk"])]
    file = tmp_path / "sweep.py"
    file.write_text(
        "from agejax import config\n"
        "def get_config(): return config.from_file('configs/own_trunk.py')\n"
        "def get_sweep(): yield 'one', {'train.log_every': 1}\n"
    )
    argv = (f"--config={file}", f"--workdir={tmp_path / 'runs'}", *changes, "--run=one")
    code, out, err = start(*argv)
    assert code == 0, out + err
    code, out, err = start(*argv, "--config.mode=eval")
    assert code == 0, out + err
    code, out, err = start(
        "--config=configs/own_trunk.py",
        f"--workdir={tmp_path / 'next'}",
        *changes,
        f"--config.model.pretrained={tmp_path / 'runs' / 'one'}",
    )
    assert code == 0, out + err
