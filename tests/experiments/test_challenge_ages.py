"""`agejax calibrate --threshold`: fitted on those under it alone, kept, and carried everywhere."""

import csv
import dataclasses
import hashlib
import io
import json

import jax
import numpy as np
import pytest

import agejax
from agejax.checkpoints.checkpoint import Checkpoints
from agejax.checkpoints.run_dir import of_the_run
from agejax.evaluation.evaluate import evaluate
from agejax.experiments.challenge import Asked, fit_challenges
from agejax.exporters import artefact
from agejax.exporters.function import Trained
from agejax.labels import median_age
from agejax.metrics.thresholds import at_least, whole_years
from agejax.reports.write import write_report
from tests.commands import agejax_command
from tests.evaluation.test_summary import predicted


@pytest.fixture
def agejax_(capsys, monkeypatch):
    return lambda *args: agejax_command(capsys, monkeypatch, *args)


@pytest.fixture(scope="module")
def limited(run, tmp_path_factory):
    """(the run with a challenge age for 40, the figures of its calibration's faces)."""
    out = tmp_path_factory.mktemp("limited") / "run"
    done = agejax.calibrate(run, out, threshold=40, pass_under=0.5, confidence=0.6)
    return out, done.after


def test_it_is_fitted_on_those_under_the_threshold_alone(limited):
    out, after = limited
    figures = evaluate(of_the_run(out, {"eval.split": "validation"}), out)
    of = agejax.load(out).calibration.challenge["40"]
    assert of == after["calibration"]["challenge"]["40"]
    with np.load(out / "eval" / "validation.npz") as file:
        under = file["age_label"] < 40
        p = file["age_probabilities"][under]
        people = file["person"][under]
    assert of["n"] == len(set(people.tolist())) <= len(p)
    kept = figures["thresholds"]["40"]["kept"]
    for name, score in (
        ("age", whole_years(median_age(p.astype(float)))),
        ("probability", at_least(p, 40)),
    ):
        assert kept[name]["at"] == of[name]
        assert kept[name]["under"]["passed"] == (score >= of[name]).sum()
    assert (kept["pass_under"], kept["confidence"], kept["n"]) == (0.5, 0.6, of["n"])


def test_predictions_the_export_and_the_report_carry_it(limited, agejax_, tmp_path, archives):
    out, _ = limited
    photo = next(p for p in sorted(archives.glob("wiki_crop/*/*.jpg")) if p.stat().st_size > 1000)
    said = lambda *args: agejax_("predict", photo, "--crops", "--checkpoint", out, *args)[1]
    (line,) = map(json.loads, said("--json", "--distribution").splitlines())
    p = np.array(line["age_distribution"])
    assert line["at_least"] == {"40": pytest.approx(p[40:].sum(), abs=1e-3)}
    assert ", 40 or older: " in said()
    (row,) = csv.DictReader(io.StringIO(said("--csv", "--threshold", 18, "--threshold", 65)))
    assert float(row["at_least_18"]) == pytest.approx(p[18:].sum(), abs=1e-3)
    assert float(row["at_least_65"]) == pytest.approx(p[65:].sum(), abs=1e-3)
    assert "at_least_40" not in row

    about = artefact.description(Trained.load(out))
    assert json.loads(json.dumps(about))["calibration"]["challenge"].keys() == {"40"}
    page = write_report(out, faces=0, out=tmp_path / "x.html").read_text("utf-8")
    assert "40 years</h3>" in page
    assert "At most 50.00% under 40 were to pass, with 60.0% confidence" in page


def test_a_run_without_has_the_same_predictions_and_hash_as_before(run):
    model, trained = agejax.load(run), Trained.load(run)
    assert (model.thresholds, dict(model.calibration.challenge)) == ((), {})
    (face,) = model.predict(np.zeros((1, 16, 16, 3), np.uint8))
    assert "at_least" not in face.as_dict()
    old = {k: v for k, v in dataclasses.asdict(trained.calibration).items() if v}
    digest = hashlib.sha256(repr(old).encode())
    for path, leaf in jax.tree_util.tree_leaves_with_path(dict(trained.weights)):
        digest.update(jax.tree_util.keystr(path).encode() + leaf.tobytes())
    assert trained.sha256() == digest.hexdigest()


def test_too_few_faces_promise_nothing_and_say_how_many_would(run, agejax_, tmp_path):
    args = ["calibrate", run, "-o", tmp_path / "new", "--threshold", 18, "--pass-under", 0.01]
    code, said, _ = agejax_(*args)
    assert code == 0
    assert "18: nobody is to pass: at most 1.00% under 18 pass, with 95.0% confidence" in said
    assert "that takes 299 or more" in said
    of = Checkpoints(tmp_path / "new", read_only=True)
    limits = of.calibration(of.find("best")).challenge["18"]
    assert (limits["age"], limits["probability"]) == (None, None)


def test_one_face_of_each_person_counts():
    _, faces = predicted(60)  # four faces a person
    faces = dataclasses.replace(faces, labels={"age": np.where(np.arange(60) < 40, 15, 30)})
    p = np.eye(101, dtype=np.float32)[faces.labels["age"]]
    of = lambda faces: fit_challenges(Asked((18,), 0.3), p, faces)["18"]
    assert (of(faces)["n"], of(faces)["age"]) == (10, 18)
    assert of(dataclasses.replace(faces, person=None))["n"] == 40
    known = {"age": np.arange(60) >= 20}
    assert of(dataclasses.replace(faces, known=known))["n"] == 5


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--threshold", "0"], "from 1 to 100"),
        (["--threshold", "18", "--threshold", "18"], "each once"),
        (["--threshold", "18", "--pass-under", "0"], "--pass-under is 0"),
        (["--threshold", "18", "--pass-under", "nan"], "--pass-under is nan"),
        (["--threshold", "18", "--confidence", "1"], "--confidence is 1"),
        (["--pass-under", "0.01"], "--pass-under goes with --threshold"),
        (["--threshold", "1"], "is known to be under 1"),
    ],
)
def test_what_cannot_be_promised_is_one_line(run, agejax_, tmp_path, args, said):
    code, out, err = agejax_("calibrate", run, "-o", tmp_path / "new", *args)
    assert (code, out) == (2, "")
    assert said in err.splitlines()[-1]
    assert not (tmp_path / "new" / "config.json").exists()
