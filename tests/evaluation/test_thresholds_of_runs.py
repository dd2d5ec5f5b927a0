"""Age thresholds of a run: in its JSON, in the command and in the report."""

import dataclasses
import html
import json
import re

import jsonschema
import numpy as np
import pytest

from agejax.config import default, update, validation
from agejax.errors import UserError
from agejax.evaluation.summary import evaluation_figures
from agejax.evaluation.table import table
from agejax.evaluation.threshold_table import share_of
from agejax.labels import median_age
from agejax.metrics.calibration import Calibration
from agejax.reports.write import write_report
from tests.commands import agejax_command
from tests.conftest import ROOT
from tests.evaluation.test_summary import predicted

SCHEMA = json.loads((ROOT / "docs" / "evaluation.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def thresholds(capsys, monkeypatch):
    return lambda *args: agejax_command(capsys, monkeypatch, "thresholds", *args)


@pytest.fixture(scope="module")
def written(run):
    """The figures that the run wrote of its test split."""
    return json.loads((run / "eval" / "test.json").read_text(encoding="utf-8"))


def test_an_evaluation_is_as_its_schema_says(written):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.validate(written)
    for part, name in (("thresholds", "18"), ("age", "mae"), ("groups", "gender")):
        spoilt = {**written, part: {**written[part], name: {"n": -1}}}
        assert not validator.is_valid(spoilt), part
    assert not validator.is_valid({key: of for key, of in written.items() if key != "curves"})


@pytest.mark.parametrize("known", ["all", "no age", "no gender"])
def test_evaluations_of_partly_labelled_faces_are_as_the_schema_says(written, known):
    raw, faces = predicted(60, person=known == "all")
    rows = {task: np.full(60, known != f"no {task}") for task in faces.labels}
    faces = dataclasses.replace(faces, known=rows)
    race = np.array(["a", "b", "unknown"])[np.arange(60) % 3]
    figures = evaluation_figures(raw, Calibration(), faces, {"race": race}, (18, 25))
    assert figures["thresholds"].keys() == ({"18", "25"} if known != "no age" else set())
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(written | figures)))


def test_an_evaluation_counts_at_the_thresholds_of_its_config(run, written):
    assert list(written["thresholds"]) == ["13", "16", "18", "21", "25"]
    with np.load(run / "eval" / "test.npz") as file:
        read = np.floor(median_age(file["age_probabilities"].astype(float)) + 0.5)
        age = file["age_label"]
    of = written["thresholds"]["21"]
    assert of["under"]["passed"] == ((age < 21) & (read >= 21)).sum()
    assert of["over"]["challenged"] == ((age >= 21) & (read < 21)).sum()
    assert set(of["groups"]) == {"gender"}
    text = table(written)
    assert "at age thresholds" in text
    assert max(map(len, text.splitlines())) <= 100


def test_the_command_prints_them_from_what_was_written(run, written, thresholds, tmp_path):
    code, out, _ = thresholds(run, "--at", 18, 21, "--json")
    assert code == 0
    assert json.loads(out) == {t: written["thresholds"][t] for t in ("18", "21")}
    with np.load(run / "eval" / "test.npz") as file:
        rows = [f"{path},{'xy'[i % 2]}" for i, path in enumerate(file["path"])]
    attributes = tmp_path / "groups.csv"
    attributes.write_text("\n".join(["path,race", *rows]))
    code, out, _ = thresholds(run / "eval" / "test.npz", "--at", 18, "--attributes", attributes)
    whole = out.splitlines()[1].split()
    assert (code, whole[:2]) == (0, ["18", str(written["thresholds"]["18"]["under"]["n"])])
    assert {"x", "y", "F", "M"} <= {line.split()[0] for line in out.splitlines()}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere"], "there is no such file"),
        (["{run}", "--split", "validation-2"], "evaluate the run first"),
        (["{run}", "--at", "0"], "from 1 to 100"),
        (["{run}", "--at", "18", "18"], "each once"),
        (["{run}", "--attributes", "nowhere.csv"], "no such table"),
    ],
)
def test_what_cannot_be_counted_is_one_line(run, thresholds, args, said):
    code, out, err = thresholds(*(text.format(run=run) for text in args))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert said in err


@pytest.mark.parametrize("given", [(0,), (101,), (18, 18), (18.5,), ("18",), (True,)])
def test_thresholds_are_whole_years_each_once(given):
    config = default()
    update(config, {"eval.thresholds": given})
    with pytest.raises(UserError, match=r"config.eval.thresholds is .* whole years"):
        validation.check_values(config)


def test_the_report_shows_the_same(run, written, tmp_path):
    page = html.unescape(write_report(run, faces=0, out=tmp_path / "x.html").read_text("utf-8"))
    assert 'href="#thresholds"' in page
    for t, of in written["thresholds"].items():
        section = page[page.index(f"<h3>{t} years</h3>") :].partition("</table>")[0]
        rows = dict(re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', section))
        for name, both in {"all": of, **of["groups"]["gender"]}.items():
            for side, key in (("under", "passed"), ("over", "challenged")):
                if both[side]["n"]:
                    assert f">{share_of(both[side], key)}<" in rows[name]
        few = [name for name, side in of["bands"].items() if not side["judged"]]
        assert all(name in section for name in few)
    assert "not for this page to say" in page
