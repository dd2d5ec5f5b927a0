"""`agejax ensemble`: several runs that read a face together."""

import contextlib
import errno
import io
import json
import shutil

import numpy as np
import pytest

import agejax
from agejax import config as configs
from agejax.checkpoints.checkpoint import Checkpoints
from agejax.checkpoints.manifest import seal
from agejax.checkpoints.run_dir import of_the_run
from agejax.checkpoints.step_folders import StepFolders
from agejax.config.validation import check
from agejax.errors import UserError
from agejax.evaluation.evaluate import evaluate
from agejax.experiments.combined import member_lines
from agejax.experiments.describe import size_of
from agejax.experiments.reproduce import repeat
from agejax.losses.row_losses import ordinal
from agejax.metrics.calibration import tempered
from agejax.models.ensemble import Ensemble
from agejax.models.heads import OrdinalCNN
from agejax.models.multitask import per_image
from agejax.steps.model_factory import abstract_model
from agejax.training.loop import train
from tests.commands import agejax_command
from tests.experiments.test_recalibrate import good
from tests.tiny import get_config

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def other(archives, built, tmp_path_factory):
    """A run of another trunk, and fed otherwise, than that of `run`."""
    config = get_config()
    config.data.update(manual_dir=str(archives), data_dir=str(built))
    config.model.update(normalise=per_image, head_width=8)
    config.model.args.depths = (2,)
    config.seed = 1
    workdir = tmp_path_factory.mktemp("runs") / "other"
    train(config, workdir)
    return workdir


@pytest.fixture(scope="module")
def both(run, other, tmp_path_factory):
    """The ensemble of `run` and `other`, and what the command printed."""
    out = tmp_path_factory.mktemp("runs") / "both"
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        patch.setattr("sys.argv", ["agejax", "ensemble", str(run), str(other), "-o", str(out)])
        with pytest.raises(SystemExit) as stop:
            agejax.cli.main()
    assert not stop.value.code
    return out, said.getvalue()


@pytest.fixture
def ensemble(capsys, monkeypatch):
    return lambda *args: agejax_command(capsys, monkeypatch, "ensemble", *args)


def variant(run, folder, changes):
    """A copy of a run that says it was made with other settings."""
    shutil.copytree(run, folder)
    checkpoints = Checkpoints(folder)
    step = checkpoints.find("best")
    config = configs.from_json(checkpoints.config(step), "here")
    configs.update(config, changes)
    file = folder / "checkpoints" / str(step) / "config" / "metadata"
    file.write_text(json.dumps({"json": configs.to_json(config)}))
    seal(folder / "checkpoints" / str(step), step)
    return folder


def test_it_reads_the_mean_of_what_its_members_read(run, other, both):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    together = agejax.load(both[0])
    for task in ("age", "gender"):
        mean = np.mean([raw(folder, pixels)[task] for folder in (run, other)], axis=0)
        expected = tempered(mean, together.calibration.temperature[task])
        found = together.probabilities(pixels)[task]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def raw(folder, pixels):
    """What a run's network says, before its calibration is applied."""
    predictor = agejax.load(folder)
    temperature = predictor.calibration.temperature
    p = predictor.probabilities(pixels)
    return {task: tempered(p[task], 1 / temperature[task]) for task in p}


def test_what_it_prints_is_what_evaluation_finds(run, other, both):
    out, said = both
    lines = dict(line.split()[:2] for line in said.splitlines()[1:-1])
    for folder, name in ((run, str(run)), (other, str(other)), (out, "together")):
        figures = evaluate(of_the_run(folder, {"eval.split": "validation"}), folder)
        assert lines[name] == f"{figures['age']['mae']['median']:.2f}"
    assert said.splitlines()[-1].startswith(f"{out} reads by all 2, calibrated by ")
    origin = json.loads((out / "calibrated_from.json").read_text())
    assert [member["run"] for member in origin["members"]] == [str(run), str(other)]


def test_it_is_a_run_as_any_other(run, other, both, tmp_path, capsys, monkeypatch):
    config = of_the_run(both[0], {})
    assert list(configs.differences(config, configs.from_json(configs.to_json(config), ""))) == []
    assert config.model.args.to_dict() == {}
    sizes = [size_of(of_the_run(folder, {})) for folder in (run, other, both[0])]
    assert sizes[2][0] == sizes[0][0] + sizes[1][0]
    assert sizes[2][1] == pytest.approx(sizes[0][1] + sizes[1][1], rel=1e-2)
    code, said, _ = agejax_command(capsys, monkeypatch, "describe", both[0])
    assert (code, len(said.splitlines())) == (0, 2)
    assert said.startswith("Ensemble of SmallCNN and SmallCNN, 16 px")
    args = ("calibrate", both[0], "-o", tmp_path / "adjusted", "--adjust", "0.5")
    assert agejax_command(capsys, monkeypatch, *args)[0] == 0
    assert agejax.load(tmp_path / "adjusted").calibration.offset["age"]
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    args = ("export", both[0], "--to", "onnx", "--out", tmp_path / "both.onnx")
    code, said, _ = agejax_command(capsys, monkeypatch, *args)
    assert (code, "of the checkpoint's" in said) == (0, True)
    told = json.loads((tmp_path / "both.onnx.json").read_text())["model"]
    assert told["trunk"] == "agejax.models.ensemble:Ensemble"
    assert told["members"] == ["agejax.models.cnn:SmallCNN"] * 2


def test_what_cannot_be_averaged_is_told_in_one_line(
    ensemble, run, other, both, archives, tmp_path
):
    larger = variant(run, tmp_path / "larger", {"data.size": 24})
    copied = variant(run, tmp_path / "copied", {})
    elsewhere = variant(run, tmp_path / "elsewhere", {})
    sessions = json.loads((elsewhere / "run.json").read_text())
    sessions[-1]["data"]["train"]["sha256"] = "another"
    (elsewhere / "run.json").write_text(json.dumps(sessions))
    ages = tmp_path / "ages.csv"
    paths = good(sorted(archives.glob("wiki_crop/*/*.jpg"))[:40])
    ages.write_text("\n".join(["path,age", *(f"{path},30" for path in paths)]))
    for args, said in (
        ((run,), "at least two runs"),
        ((run, other, f"{run}/"), "each given once"),
        ((run, copied), "no two with the same weights"),
        ((run, elsewhere), "their data have the same settings, but contained different faces"),
        ((run, other, "--faces", ages, "--split", "all"), "has no gender labels"),
        ((run, both[0]), "is itself an ensemble; give its members"),
        ((run, larger), "config.data.size is 16 in the first and 24 in the second"),
        ((run, tmp_path), "no trained run here"),
        ((run, other, "--checkpoint", "7"), "no checkpoint '7'"),
        ((run, other, "--split", "train"), "cannot be fitted on the training faces"),
        ((run, other, "--split", "tset"), "no split 'tset'"),
    ):
        code, out, err = ensemble(*args, "-o", tmp_path / "new")
        assert (code, out) == (2, "")
        assert said in err
        assert err.count("\n") == 1
    assert not (tmp_path / "new").exists()
    assert "already exists" in ensemble(run, other, "-o", both[0])[2]
    assert "/proc/new" in ensemble(run, other, "-o", "/proc/new")[2]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"tasks.age.head": OrdinalCNN, "tasks.age.loss": ordinal},
            "config.tasks.age.head is 'agejax.models.heads:Softmax' in the first and",
        ),
        ({"tasks.age.classes": 110}, "config.tasks.age.classes is 101 in the first and 110"),
        ({"model.flip": True}, "config.model.flip is False in the first and True"),
        ({"data.margin": 0.2}, "margins of their training crops are 0.4 and 0.2"),
        ({"data.min_face_score": 1.0}, "config.data.min_face_score is 0.0 in the first and 1.0"),
    ],
)
def test_members_must_agree_on_what_is_asked_of_them(ensemble, run, changes, said, tmp_path):
    another = variant(run, tmp_path / "another", changes)
    code, _, err = ensemble(run, another, "-o", tmp_path / "new")
    assert (code, said in err) == (2, True)


def test_it_is_not_trained(both, tiny, launch, tmp_path):
    child = launch("--workdir", str(both[0]), "--config.train.steps=60")
    _, err = child.communicate(timeout=120)
    assert (child.returncode, len(err.splitlines())) == (2, 1)
    assert "holds another run: config.model" in err
    tiny.model.pretrained = str(both[0])
    with pytest.raises(UserError, match="is an ensemble; name one of its members"):
        train(tiny, tmp_path / "new")
    with pytest.raises(UserError, match="an ensemble is not trained"):
        train(of_the_run(both[0], {}), tmp_path / "another")
    with pytest.raises(UserError, match="an ensemble is not trained"):
        repeat(both[0], tmp_path / "another", {})
    assert not (tmp_path / "another").exists()


def test_an_ensemble_has_members_and_nothing_else_has(tiny):
    tiny.model.trunk = Ensemble
    with pytest.raises(UserError, match=r"config.model.members is for, and needed by"):
        check(tiny)


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("model", {"members": {"0": {"trunk": "os:system", "args": {}}}}),
        ("model", {"members": {"0": {"normalise": "os:system", "args": {}}}}),
        ("model", {"members": {"": {"trunk": "os:system", "args": {}}}}),
        ("tasks", {"x\ny": {"classes": 2, "head": "os:system"}}),
        ("tasks", {"": {"classes": 2, "loss": "os:system"}}),
        ("data", {"sets": {"mine": {"source": "os:system"}}}),
        ("data", {"sets": {"mine": {"sets": {"inner": {"source": "os:system"}}}}}),
    ],
)
def test_code_of_others_is_not_run_unasked(run, section, value):
    step = Checkpoints(run, read_only=True).find("best")
    written = json.loads(Checkpoints(run, read_only=True).config(step))
    written[section] |= value
    with pytest.raises(UserError, match=r"names os:system, code that is not agejax's own"):
        configs.from_json(json.dumps(written), "here")


MEMBER = {
    "trunk": "agejax.models.cnn:SmallCNN",
    "args": {},
    "normalise": "agejax.models.multitask:to_unit",
    "head_width": 0,
}


@pytest.mark.parametrize(
    "members",
    [
        [],
        {"0": []},
        {"0": {"trunk": MEMBER["trunk"]}},
        {"0": MEMBER | {"head_width": "8"}},
        {"0": MEMBER | {"head_width": -8}},
        {"0": MEMBER | {"dtype": "bfloat16"}},
    ],
)
def test_a_member_that_is_none_is_told(members):
    written = json.loads(configs.to_json(configs.default()))
    written["model"]["members"] = members
    with pytest.raises(UserError, match="here: not a config of this version"):
        configs.from_json(json.dumps(written), "here")


def test_an_ensemble_without_members_is_told(tiny):
    tiny.model.trunk = Ensemble
    with pytest.raises(UserError, match=r"config.model.args do not suit Ensemble"):
        abstract_model(tiny)


def test_a_disk_that_takes_no_more_leaves_the_folder_to_the_next_try(
    ensemble, run, other, tmp_path, monkeypatch
):
    def full(self, step, items):
        folder = self._folders.being_written(step)
        folder.mkdir()
        (folder / "half").write_text("")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "_write_arrays", full)
        patch.setattr(StepFolders, "give_up", lambda *_: None)  # as if it were killed here
        code, _, err = ensemble(run, other, "-o", tmp_path / "new")
    assert (code, "No space left" in err) == (2, True)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["half"]
    assert ensemble(run, other, "-o", tmp_path / "new")[0] == 0
    assert not list(tmp_path.rglob("half"))


def test_of_ranges_alone_no_coverage_is_told():
    age = {"n": 9, "mae": {"median": 4.5}, "interval": {"coverage": None}}
    of = {"age": age, "gender": {"n": 0}}
    assert list(member_lines([], [], of))[-1].split() == ["together", "4.50"]


def test_code_of_ones_own_is_known_by_the_config_that_names_it(tiny):
    with tiny.unlocked():
        tiny.data.sets = {"mine": {"source": "my_faces:read"}}
    assert "my_faces" in configs.modules_of(tiny)
