"""`agejax soup`: fine-tuned runs as one network, their weights averaged."""

import contextlib
import io
import json
import shutil

import jax
import numpy as np
import pytest

import agejax
from agejax import config as configs
from agejax.checkpoints.checkpoint import Checkpoints
from agejax.checkpoints.run_dir import of_the_run, read_checkpoint
from agejax.errors import UserError
from agejax.evaluation.evaluate import evaluate
from agejax.experiments.describe import size_of
from agejax.experiments.soup import SOUP
from agejax.models.multitask import per_image
from agejax.training.loop import train
from tests.commands import agejax_command
from tests.experiments.test_ensemble import variant

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def tuned(run, tmp_path_factory):
    """Two runs that say they started from `run`, with other weights, dropouts and licences."""
    folder = tmp_path_factory.mktemp("tuned")
    return [moved(run, folder / str(i), by=0.01 * i) for i in (1, 2)]


def moved(run, folder, by, start=None):
    """A copy of a run with larger weights, as if it had been fine-tuned from the run."""
    shipped = read_checkpoint(run, "best")
    config = shipped.config.copy_and_resolve_references()
    config.model.pretrained = start or str(run)
    config.model.args.dropout = by
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("checkpoints", "eval"))
    weights = jax.tree.map(lambda x: (x * (1 + by)).astype(x.dtype), shipped.weights)
    text = configs.to_json(config)
    Checkpoints(folder).save_weights(shipped.step, weights, text, 5.0, shipped.calibration)
    (folder / "config.json").write_text(text)
    about = {"data": {"about": {"licence": f"licence {by}"}}}
    (folder / "calibrated_from.json").write_text(json.dumps(about))
    return folder


@pytest.fixture(scope="module")
def both(tuned, tmp_path_factory):
    """The soup of the two, and what the command printed."""
    out = tmp_path_factory.mktemp("runs") / "soup"
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        patch.setattr("sys.argv", ["agejax", "soup", *map(str, tuned), "-o", str(out)])
        with pytest.raises(SystemExit) as stop:
            agejax.cli.main()
    assert not stop.value.code
    return out, said.getvalue()


@pytest.fixture
def soup(capsys, monkeypatch):
    return lambda *args: agejax_command(capsys, monkeypatch, "soup", *args)


def weights_of(run):
    return read_checkpoint(run, "best").weights


def test_its_weights_are_the_mean(tuned, both):
    one, another, mean = (weights_of(run) for run in (*tuned, both[0]))
    differ = []

    def check(a, b, c):
        np.testing.assert_allclose(c, (np.asarray(a) + b) / 2, rtol=1e-6, atol=1e-8)
        assert c.dtype == a.dtype
        differ.append(not np.array_equal(a, b))

    jax.tree.map(check, one, another, mean)
    assert any(differ)


def test_other_dtypes_stay_as_they_are():
    bfloat16, counter = jax.numpy.bfloat16, np.int32(3)
    trees = [{"w": np.array([x], bfloat16), "n": counter} for x in (1.0, 2.0, 3.0)]
    mean = SOUP.weights(trees)
    assert (mean["w"].dtype, mean["w"].tolist(), mean["n"]) == (bfloat16, [2.0], counter)


def test_it_is_a_run_of_the_size_of_one(tuned, both, capsys, monkeypatch):
    out, said = both
    assert size_of(of_the_run(out, {})) == size_of(of_the_run(tuned[0], {}))
    lines = dict(line.split()[:2] for line in said.splitlines()[1:-1])
    for folder, name in (*((run, str(run)) for run in tuned), (out, "together")):
        figures = evaluate(of_the_run(folder, {"eval.split": "validation"}), folder)
        assert lines[name] == f"{figures['age']['mae']['median']:.2f}"
    members = json.loads((out / "calibrated_from.json").read_text())["members"]
    assert [member["run"] for member in members] == list(map(str, tuned))
    code, _, err = agejax_command(capsys, monkeypatch, "describe", out)
    assert (code, err) == (0, "")


def test_checkpoints_of_one_run_are_averaged(run, soup, tmp_path):
    steps = sorted((run / "checkpoints").iterdir())
    assert len(steps) == 2
    assert soup(*steps, "-o", tmp_path / "new")[0] == 0


def test_its_members_are_repeated_instead(tuned, both, capsys, monkeypatch, tmp_path):
    out = tmp_path / "again"
    code, _, err = agejax_command(capsys, monkeypatch, "repeat", both[0], "--workdir", out)
    assert (code, err.count("\n"), out.exists()) == (2, 1, False)
    assert f"repeat these: {', '.join(map(str, tuned))}" in err
    calibrated = tmp_path / "calibrated"
    assert agejax_command(capsys, monkeypatch, "calibrate", both[0], "-o", calibrated)[0] == 0
    code, _, err = agejax_command(capsys, monkeypatch, "repeat", calibrated, "--workdir", out)
    assert (code, "repeat these" in err, out.exists()) == (2, True, False)


def test_it_has_the_licences_of_all(both):
    about = json.loads((both[0] / "calibrated_from.json").read_text())["data"]["about"]
    assert about["licence"] == "licence 0.01; licence 0.02"


def test_it_goes_on_as_a_start(both, tiny, archives, built, tmp_path):
    tiny.data.update(manual_dir=str(archives), data_dir=str(built))
    tiny.model.pretrained = str(both[0])
    tiny.train.update(steps=1, eval_every=1)
    tiny.optim.update(warmup_steps=0)
    train(tiny, tmp_path / "next")
    with pytest.raises(UserError, match="holds weights alone"):
        train(of_the_run(both[0], {"train.steps": 60}), both[0])


def test_a_run_and_what_it_was_fine_tuned_to_are_averaged(run, tuned, soup, tmp_path):
    code, _, err = soup(tuned[0], run, "-o", tmp_path / "new")
    assert code == 0, err


def test_what_cannot_be_averaged_is_told_in_one_line(run, tuned, both, soup, tmp_path):
    other = moved(run, tmp_path / "other", by=0.1, start="elsewhere")
    odd = moved(run, tmp_path / "odd", by=0.1, start="~nobody/\0")
    fed = variant(run, tmp_path / "fed", {"model.normalise": per_image})
    for args, said in (
        (tuned[:1], "a soup needs at least two runs"),
        ((tuned[0], tuned[0]), "each given once"),
        ((run, odd), "they did not start from the same weights"),
        ((run, other), "they did not start from the same weights (config.model.pretrained)"),
        ((*tuned, other), f"{tuned[0]} and {other} cannot be averaged"),
        ((run, fed), "config.model.normalise differs; `agejax ensemble` takes both"),
    ):
        code, out, err = soup(*args, "-o", tmp_path / "new")
        assert (code, out) == (2, "")
        assert said in err
        assert err.count("\n") == 1
    assert not (tmp_path / "new").exists()
    assert "already exists" in soup(*tuned, "-o", both[0])[2]
