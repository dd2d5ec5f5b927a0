"""The commands as a person types them: what is right prints, what is wrong is one line and a 2."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from agejax.checkpoints.manifest import seal
from tests.conftest import ROOT


def test_margin_measures_crops(agejax_, tmp_path):
    from tests.photos import PLACES, group_photo

    for left, top, side in PLACES:
        group_photo().crop((left, top, left + side, top + side)).save(tmp_path / f"{left}.png")
    code, out, _ = agejax_("margin", tmp_path)
    assert code == 0
    assert 0.2 < float(out.split()[0]) < 0.5
    assert "--config.data.margin=" in out


def test_serve_tells_what_is_wrong_in_one_line(agejax_, run):
    pytest.importorskip("uvicorn", reason="needs the extra 'serve'")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = agejax_("serve", "--checkpoint", run, "--port", port)
    assert code == 2
    assert err.startswith("error: cannot listen on 127.0.0.1")
    assert "cannot listen on" in agejax_("serve", "--checkpoint", run, "--host", "x" * 99)[2]
    assert agejax_("serve", "--checkpoint", "nowhere", "--port", 0)[2].count("\n") == 1
    assert "--max-mib" in agejax_("serve", "--checkpoint", run, "--max-mib", 0)[2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_serve_answers_until_it_is_told_to_stop(run, number):
    pytest.importorskip("uvicorn", reason="needs the extra 'serve'")
    command = [sys.executable, "-c", "import agejax.cli; agejax.cli.main()"]
    command += ["serve", "--checkpoint", str(run), "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    address = process.stdout.readline().split()[-1]
    with urllib.request.urlopen(f"{address}/health", timeout=20) as answer:
        assert json.load(answer)["status"] == "ok"
    process.send_signal(number)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0


def test_a_checkpoint_can_be_named_by_run_folder_or_step(agejax_, run, photos):
    step = next((run / "checkpoints").iterdir())
    for path in (run / "checkpoints", step):
        assert agejax_("predict", photos, "--checkpoint", path)[0] == 0


@pytest.mark.parametrize(
    ("image", "checkpoint", "said"),
    [
        ("nowhere.jpg", "{run}", "no such file"),
        ("{empty}", "{run}", "no image"),
        ("{photos}", "{empty}", "no trained run"),
        ("{photos}", "nowhere", "no trained run"),
        ("{photos}", "{photos}/x", "no trained run"),
    ],
)
def test_wrong_paths_are_one_line(agejax_, run, photos, tmp_path, image, checkpoint, said):
    empty = tmp_path / "empty"
    empty.mkdir()
    fill = lambda text: text.format(run=run, empty=empty, photos=photos)
    code, out, err = agejax_("predict", fill(image), "--checkpoint", fill(checkpoint))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert said in err


def test_a_ruined_config_in_a_checkpoint_is_one_line(agejax_, run, photos, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    for file in copy.glob("checkpoints/*/config/metadata"):
        file.write_text('{"json": "{}"}')
        seal(file.parent.parent, int(file.parent.parent.name))
    code, _, err = agejax_("predict", photos, "--checkpoint", copy)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "not a config" in err


def test_launch_evaluates_a_finished_run(launch, run):
    process = launch(f"--workdir={run}", "--config.mode=eval", "--config.eval.split=validation")
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "validation:" in out
    assert json.loads((run / "eval" / "validation.json").read_text())["n"] > 0
    assert (run / "eval" / "validation.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--config.train.stesp=5"], "did you mean config.train.steps?"),
        (["--config.train.steps=many"], "many"),
        (["--config.model.args.nonsense=3"], "sets no config.model.args.nonsense"),
        (["--config.model.args.widths=(8,16)", "--workdir={tmp}/x"], "do not suit SmallCNN"),
        (["--config.mode=eval", "--workdir={tmp}/none"], "no trained run"),
        (["--workdir={file}"], "file"),
        (["--wrkdir=x"], "workdir"),
        (["stray"], "stray"),
    ],
)
def test_launch_tells_what_is_wrong_in_one_line(launch, tmp_path, args, said):
    (tmp_path / "file").write_text("")
    fill = lambda text: text.format(tmp=tmp_path, file=tmp_path / "file")
    process = launch(*map(fill, args))
    _, err = process.communicate()
    assert process.returncode == 2, err
    assert len(err.splitlines()) == 1, err
    assert said in err


DEFAULT = "from agejax.config import default\ndef get_config():\n  c = default()\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such config"),
        ("def get_config():\n  return 3\n", "mine.py: get_config() gives no ConfigDict"),
        (
            "import ml_collections\nget_config = ml_collections.ConfigDict\n",
            "mine.py: get_config() gives no config.augment.brightness; it must begin with",
        ),
        (
            f"{DEFAULT}  with c.unlocked():\n    del c.train.steps\n  return c\n",
            "mine.py: get_config() gives no config.train.steps; it must begin with",
        ),
        (
            f"{DEFAULT}  with c.unlocked():\n    del c.tasks.gender\n  return c\n",
            "config.tasks has no gender; to train without it, set config.tasks.gender.weight=0",
        ),
        ("def get_config():\n  return nobody\n", "line 2: NameError"),
        ("get_config = 3\n", "mine.py: TypeError: 'int' object is not callable"),
        ("def get_config():\n  raise ValueError('no')\n", "mine.py, line 2: ValueError: no"),
    ],
)
def test_a_config_that_fails_is_one_line(launch, tmp_path, text, said):
    file = tmp_path / "mine.py"
    if text:
        file.write_text(text)
    process = launch(config=str(file))
    _, err = process.communicate()
    assert process.returncode == 2
    assert len(err.splitlines()) == 1, err
    assert said in err


def test_missing_archives_are_one_line_that_says_what_to_fetch(launch, tmp_path):
    process = launch(
        "--config.data.manual_dir=" + str(tmp_path / "gone"),
        "--config.data.data_dir=" + str(tmp_path / "data"),
        config="configs/small.py",
    )
    _, err = process.communicate()
    assert process.returncode == 2
    assert len(err.splitlines()) == 1, err
    assert "no such folder" in err


def test_help_is_quick_and_plain():
    for command in (["-m", "tfds_imdb_wiki"], ["-c", "import agejax.cli; agejax.cli.main()"]):
        out = subprocess.check_output([sys.executable, *command, "--help"], text=True)
        assert "usage:" in out


def test_describe_takes_a_run_or_a_config(agejax_, run, tmp_path):
    code, out, _ = agejax_("describe", run, "--dry")
    assert code == 0
    assert "SmallCNN, 16 px" in out
    assert agejax_("describe", "tests/tiny.py", "--dry")[1] == out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "there is no such config"),
        ("get_config = 3", "TypeError"),
        ("1 / 0", "ZeroDivisionError"),
        ("def get_config():\n  return 1", "gives no ConfigDict"),
    ],
)
def test_what_cannot_be_described_is_told_in_one_line(agejax_, tmp_path, text, told):
    if text is not None:
        (tmp_path / "x.py").write_text(text)
    code, out, err = agejax_("describe", tmp_path / "x.py")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "x.py" in err
    assert told in err


def test_crops_prints_what_each_crop_costs(agejax_, run):
    code, out, err = agejax_("crops", run, "--by", "0.3", "0", "-0.2")
    assert (code, err) == (0, "")
    first, head, cut, whole, padded = out.splitlines()
    assert first.startswith("test: ")
    assert "change" in head
    assert [line.split("  ")[1].strip() for line in (cut, whole, padded)] == [
        *("cut by 30%", "unchanged", "padded by 20%")
    ]
    code, out, _ = agejax_("crops", run, "--by", "0.1", "0", "--json")
    cut, whole = map(json.loads, out.splitlines())
    assert whole["change"] == 0
    assert cut["change"] == pytest.approx(cut["mae"] - whole["mae"])
    assert cut["change_interval"][0] <= cut["change"] <= cut["change_interval"][1]
    evaluated = json.loads((run / "eval" / "test.json").read_text())
    assert whole["mae"] == pytest.approx(evaluated["age"]["mae"]["median"], abs=1e-3)
    assert whole["gender_accuracy"] == pytest.approx(evaluated["gender"]["accuracy"], abs=1e-3)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--by", "0.5"), "a crop is 0.5; it must be from -1 to below 0.5"),
        (("--by", "nan"), "a crop is nan; it must be"),
        (("--split", "tset"), "there is no split 'tset'"),
        (("--checkpoint", "7"), "there is no checkpoint '7'"),
    ],
)
def test_crops_that_cannot_be(agejax_, run, args, said):
    code, out, err = agejax_("crops", run, *args)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1
