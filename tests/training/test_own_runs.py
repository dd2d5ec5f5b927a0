"""Runs on tables of faces: the same as on what was built, with a trunk and a task of one's own."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import agejax
import agejax.cli
from agejax import config as configs
from agejax.checkpoints.run_dir import of_the_run
from agejax.config import validation
from agejax.data.imdb_wiki import imdb_wiki
from agejax.data.mixture import mixture
from agejax.data.own_faces import own_faces
from agejax.errors import UserError
from agejax.evaluation.evaluate import evaluate
from agejax.evaluation.open_split import open_split
from agejax.evaluation.table import table
from agejax.reports.write import write_report
from agejax.steps.model_factory import abstract_model
from agejax.training.loop import train
from examples.mixer import Mixer
from tests.runs import assert_identical, metrics
from tests.tiny import get_config

pytestmark = pytest.mark.usefixtures("quick_compilation")

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(autouse=True)
def _own_trunk_is_trusted(monkeypatch):
    """As whoever predicts, evaluates or exports by the run alone has to say."""
    monkeypatch.setenv("AGEJAX_TRUST", "examples.mixer")


@pytest.fixture(scope="module")
def exported(built, tmp_path_factory):
    """The built painted faces as files and a table."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("own")
    source = next(built.glob("imdb_wiki/imdb/*"))
    args = ["import", "tfds", source, "--images", folder / "images", "-o", folder / "faces.csv"]
    patch.setattr("sys.argv", ["agejax", *map(str, args)])
    with pytest.raises(SystemExit) as stop:
        agejax.cli.main()
    patch.undo()
    assert not stop.value.code
    return folder / "faces.csv"


def changed(file, name, change):
    """A table beside `file`, with every row's cells changed by `change(i, cells)`."""
    with file.open(newline="") as opened:
        rows = [change(i, row) for i, row in enumerate(csv.DictReader(opened))]
    out = file.with_name(name)
    with out.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return out


def on(path):
    config = get_config()
    config.data.update(source=own_faces, path=str(path))
    return config


@pytest.mark.usefixtures("compiled_as_the_run")
def test_a_table_of_the_built_records_trains_to_the_same_bits(run, exported, tmp_path):
    shuffled = exported.read_text().splitlines()
    mixed = exported.with_name("mixed.csv")
    mixed.write_text("\n".join([shuffled[0], *shuffled[:0:-1]]) + "\n")
    train(on(mixed), tmp_path)
    assert_identical(run, tmp_path)
    assert metrics(run) == metrics(tmp_path)
    ours, theirs = (json.loads((x / "eval" / "test.json").read_text()) for x in (tmp_path, run))
    for told in ("n", "left_out", "age", "gender", "curves", "baseline"):
        assert ours[told] == theirs[told]


@pytest.fixture(scope="module")
def everything(exported, archives, built, tmp_path_factory):
    """A run on a mixture, with a trunk of its own, a third task, ranges and unknown labels."""

    def change(i, row):
        row["glasses"] = ("yes", "no", "")[i % 3]
        row["light"] = ("day", "night")[i % 2]
        decade = int(row["age"]) // 10 * 10
        if i % 5 < 2 and decade < 100:
            row["age"] = ("", f"{decade}-{decade + 9}")[i % 5]
        row["gender"] = "" if i % 4 == 0 else row["gender"]
        return row

    mine = changed(exported, "mine.csv", change)
    config = get_config()
    config.data.source = mixture
    config.model.trunk = Mixer
    with config.unlocked():
        config.data.sets = {
            "imdb": {"source": imdb_wiki, "data_dir": str(built), "manual_dir": str(archives)},
            "mine": {"source": own_faces, "path": str(mine), "weight": 0.5},
        }
        config.tasks.glasses = {"names": ("no", "yes")}
        config.model.args = {"patch": 8, "width": 16, "depth": 1}
    config.train.update(steps=12, log_every=6, eval_every=6)
    workdir = tmp_path_factory.mktemp("runs") / "everything"
    return train(config, workdir), workdir


def test_a_mixture_with_a_third_task_and_an_own_trunk_goes_the_whole_way(everything):
    figures, workdir = everything
    assert figures["glasses"]["n"] < figures["gender"]["n"] < figures["n"]
    assert figures["groups"]["set"].keys() == {"imdb", "mine"}
    assert figures["groups"]["light"].keys() == {"day", "night", "unknown"}
    text = table(figures)
    for said in ("by set", "    mine  ", "  glasses  ", "by light"):
        assert said in text
    again = of_the_run(workdir, {})
    assert again.model.trunk is Mixer
    assert again.data.source is mixture
    predictor = agejax.load(workdir)
    p = predictor.probabilities(np.zeros((2, 16, 16, 3), np.uint8))
    assert {task: of.shape for task, of in p.items()} == {
        "age": (2, 101),
        "gender": (2, 2),
        "glasses": (2, 2),
    }


def test_prediction_and_report_tell_of_a_third_task(everything, archives):
    _, workdir = everything
    photo = next(p for p in sorted(archives.rglob("*.jpg")) if p.stat().st_size > 1000)
    (face,) = agejax.load(workdir).predict_files([photo])
    name, share = face.others["glasses"]
    assert face.label.endswith(f", glasses {name}")
    assert share == pytest.approx(face.probabilities["glasses"].max())
    assert face.as_dict()["others"] == {"glasses": {"class": name, "probability": round(share, 5)}}
    page = write_report(workdir, "test", faces=4).read_text()
    assert "glasses" in page.lower()


def test_an_own_trunk_with_a_third_task_exports(everything, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    _, workdir = everything
    file = tmp_path / "m.onnx"
    agejax.export(workdir, "onnx", file)
    image = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    session = onnxruntime.InferenceSession(str(file))
    names = [output.name for output in session.get_outputs()]
    outputs = dict(
        zip(names, session.run(None, {session.get_inputs()[0].name: image}), strict=True)
    )
    ours = agejax.load(workdir).probabilities(image)["glasses"]
    np.testing.assert_allclose(outputs["glasses_probabilities"], ours, atol=1e-4)


def test_a_set_is_evaluated_apart(everything):
    _, workdir = everything
    figures = evaluate(of_the_run(workdir, {"eval.split": "mine/test"}), workdir)
    assert "set" not in figures["groups"]
    with np.load(workdir / "eval" / "mine" / "test.npz") as file:
        assert all(path.startswith("mine/") for path in file["path"].tolist())
        assert (file["age_upto"] > file["age_label"]).any()
    with pytest.raises(UserError, match="there is no set 'yours'"):
        evaluate(of_the_run(workdir, {"eval.split": "yours/test"}), workdir)


def test_a_run_goes_on_with_its_mixture(everything):
    _, workdir = everything
    config = of_the_run(workdir, {})
    train(config, workdir)  # finished: only evaluated again
    with config.unlocked():
        config.data.sets.mine.root = str(workdir)
    assert list(configs.differences(config, of_the_run(workdir, {}))) == []
    config.data.sets.mine.weight = 1.0
    with pytest.raises(UserError, match=r"config\.data\.sets\.mine\.weight was 0\.5"):
        train(config, workdir)


def test_a_run_is_evaluated_on_a_table_it_never_saw(run, exported, capsys, tmp_path):
    only = changed(exported, "only.csv", lambda i, row: row | {"split": "test"})
    changes = {"data.source": "agejax.data.own_faces:own_faces", "data.path": str(only)}
    run = shutil.copytree(run, tmp_path / "run")  # whose own figures others read
    figures = evaluate(of_the_run(run, changes), run)
    seen = len(open_split(of_the_run(run, {}), "train"))
    assert figures["left_out"] >= seen  # all that it was trained on stand there, too
    assert figures["n"] > 0
    assert figures["baseline"]["age_mae"] is not None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda i, row: row | {"gender": ""}, r"set config\.tasks\.gender\.weight=0"),
        (lambda i, row: row | {"split": "train"}, "no face is in the split 'test'"),
        (lambda i, row: row | {"age": "300"}, "outside 0..100: '300'.*and so on.*agejax check"),
    ],
)
def test_what_cannot_be_trained_on_is_told_at_once(exported, tmp_path, change, said):
    config = on(changed(exported, "bad.csv", change))
    with pytest.raises(UserError, match=said):
        train(config, tmp_path / "run")


def test_names_that_are_not_the_columns(exported, tmp_path):
    config = on(changed(exported, "h.csv", lambda i, row: row | {"hat": ("a", "b")[i % 2]}))
    with config.unlocked():
        config.tasks.hat = {"names": ("a", "c")}
    with pytest.raises(UserError, match="the faces' hat is b, but the classes .* are a, c"):
        train(config, tmp_path / "run")


def _half(age):
    return "0-49" if int(age) < 50 else "50+"


def test_ages_alone_train_without_genders(exported, tmp_path):
    decades = lambda i, row: row | {"gender": "", "age": _half(row["age"])}
    config = on(changed(exported, "decades.csv", decades))
    config.tasks.gender.weight = 0.0
    config.train.update(steps=6, log_every=6, eval_every=6)
    figures = train(config, tmp_path / "run")
    assert figures["gender"] == {"n": 0}
    assert figures["age"]["interval"]["coverage"] is None
    assert "gender " not in table(figures).split("by decade")[0].split("bias")[0]


def test_a_setting_that_says_nothing_to_the_source_is_refused(exported, tmp_path):
    config = on(exported)
    config.data.min_face_score = 3.0
    with pytest.raises(UserError, match=r"min_face_score is 3\.0, but own_faces takes path, root"):
        train(config, tmp_path)


@pytest.mark.parametrize("name", ["own_faces", "mixture", "own_trunk"])
def test_the_examples_are_whole(name):
    config = configs.from_file(CONFIGS / f"{name}.py")
    validation.check(config)
    validation.check_source(config)
    abstract_model(config)
    assert configs.to_json(configs.from_json(configs.to_json(config), "")) == configs.to_json(
        config
    )
