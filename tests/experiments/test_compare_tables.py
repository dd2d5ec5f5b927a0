"""Predictions of anything beside runs: a table of path, age and gender."""

import json

import numpy as np
import pytest

from agejax.errors import UserError
from agejax.experiments.compare import compare
from agejax.labels import median_age
from tests.commands import agejax_command
from tests.experiments.test_compare import AGE, GENDER, N, arrays

PATHS = [f"{i:04}.jpg" for i in range(N)]


@pytest.fixture
def npz(tmp_path):
    file = tmp_path / "ours.npz"
    person = np.array([f"p{i // 2}" for i in range(N)])
    np.savez_compressed(file, **arrays(noise=3, seed=1), person=person)
    return file


def rows(shift=4.25):
    """What another tool wrote: each face's row, its age, decimals and all."""
    names = ("Woman", "Man")
    return [f"{path},{AGE[i] + shift},{names[GENDER[i]]}" for i, path in enumerate(PATHS)]


@pytest.fixture
def table(tmp_path):
    def write(lines, name="tool.csv", header="path,age,gender"):
        file = tmp_path / name
        file.write_text("\n".join([header, *lines]), encoding="utf-8")
        return file

    return write


def test_a_table_stands_beside_a_run_in_any_order_of_rows(npz, table):
    figures = compare({"ours": [npz], "tool": [table(rows()[::-1])]}, against="ours")
    tool = figures["sides"]["tool"]
    assert tool["age"]["value"] == pytest.approx(4.25)
    assert tool["gender"]["value"] == 1
    assert (tool["age"]["verdict"], tool["gender"]["verdict"]) == ("worse", "better")
    assert tool["ignored"] == 0
    assert (figures["interval_over"], figures["persons"]) == ("persons", N // 2)
    first = compare({"tool": [table(rows())], "ours": [npz]}, against="tool")
    assert first["sides"]["ours"]["age"]["difference"] == -tool["age"]["difference"]


def test_an_evaluations_own_medians_as_a_table_are_no_different(tmp_path, table):
    p = np.random.default_rng(0).dirichlet(np.ones(101), N).astype(np.float32)
    np.savez(tmp_path / "ours.npz", **arrays() | {"age_probabilities": p})
    ages = median_age(p.astype(np.float64)).tolist()
    lines = [f"{path},{age!r}" for path, age in zip(PATHS, ages, strict=True)]
    same = table(lines, header="path,age")
    figures = compare({"ours": [tmp_path / "ours.npz"], "table": [same]}, against="ours")
    assert figures["sides"]["table"]["age"]["difference"] == 0
    assert figures["sides"]["table"]["age"]["verdict"] == "noise"


def test_one_column_is_enough_and_two_raters_are_a_side(npz, table):
    ages = [line.rpartition(",")[0] for line in rows(2)]
    a = table(ages, header="Path,AGE")
    b = table([line.replace(",", ";").replace(".", ",", 1) for line in ages], "b.tsv", "path;age")
    figures = compare({"ours": [npz], "raters": [a]}, against="ours")
    assert list(figures["tasks"]) == ["age"]
    assert figures["sides"]["raters"]["age"]["value"] == pytest.approx(2)
    with pytest.raises(UserError, match=r"0000,jpg"):  # a path of b.tsv, whose point is a comma
        compare({"ours": [npz], "raters": [a, b]})
    c = table([line.replace(",", "\t") for line in ages], "c.tsv", "path\tage")
    assert compare({"ours": [npz], "r": [a, c]})["sides"]["r"]["age"]["runs"] == pytest.approx(
        [2, 2]
    )


def test_rows_of_other_faces_are_ignored_and_told(npz, table, capsys, monkeypatch):
    file = table([*rows(), "train/1.jpg,30,man", "train/2.jpg,40,man"])
    code, out, err = agejax_command(capsys, monkeypatch, "compare", npz, file)
    assert (code, err) == (0, "")
    assert "tool.csv: 2 rows of other faces are ignored." in out


@pytest.mark.parametrize("spelling", ["./{}", ".\\{}", "x/../{}"])
def test_other_spellings_of_a_path_are_that_path(npz, table, spelling):
    lines = [spelling.format(row) for row in rows()]
    assert compare({"ours": [npz], "tool": [table(lines)]})["sides"]["tool"]["ignored"] == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: [f"other/{line}" for line in r], "400 of the 400 evaluated faces have no row"),
        (lambda r: r[:-7], "7 of the 400 evaluated faces have no row, such as 0393.jpg"),
        (lambda r: ["0000.jpg,300,man", *r[1:]], "row 2: an age outside 0..120: '300'"),
        (lambda r: ["0000.jpg,-1,man", *r[1:]], "row 2: an age outside 0..120"),
        (lambda r: ["0000.jpg,1e999,man", *r[1:]], "row 2: an age outside 0..120"),
        (lambda r: ["0000.jpg,2_5,man", *r[1:]], "row 2: not an age in years"),
        (lambda r: ["0000.jpg,inf,man", *r[1:]], "row 2: not an age in years"),
        (lambda r: ["0000.jpg,NaN,man", *r[1:]], "row 2: no age"),
        (lambda r: ["0000.jpg,,man", *r[1:]], "row 2: no age"),
        (lambda r: ["0000.jpg,30,1", *r[1:]], "row 2: a gender that is not female or male"),
        (lambda r: ["0000.jpg,30,", *r[1:]], "row 2: no gender"),
        (lambda r: [",30,man", *r[1:]], "row 2: no path"),
        (lambda r: ["0000.jpg,30", *r[1:]], "row 2: not 3 cells"),
        (lambda r: [*r, r[0]], "row 402: the path of row 2, too"),
        (lambda r: [*r, f"./{r[0]}"], "row 402: the path of row 2, too"),
        (lambda r: [], "400 of the 400 evaluated faces have no row"),
    ],
)
def test_a_wrong_table_is_one_line(npz, table, capsys, monkeypatch, change, said):
    file = table(change(rows()))
    code, out, err = agejax_command(capsys, monkeypatch, "compare", npz, file)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert str(file) in err
    assert said in err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"0000.jpg,30,man\n0001.jpg,31,man\n", "no column 'path'"),
        (b"path,years\n0000.jpg,30\n", "neither a column 'age' nor 'gender'"),
        (b"", "no column 'path'"),
        (b"path,age,age\n0000.jpg,30,30\n", "more than one column age"),
        (b"\x00\x01\x02", "not text"),
        (b"path,age\n\xff\xfe.jpg,30\n", "row 2: a cell that is not UTF-8"),
    ],
)
def test_a_file_that_is_no_table_of_predictions_is_one_line(
    npz, tmp_path, capsys, monkeypatch, content, said
):
    (tmp_path / "x.csv").write_bytes(content)
    code, out, err = agejax_command(capsys, monkeypatch, "compare", npz, tmp_path / "x.csv")
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert said in err


def test_tables_alone_have_no_true_ages(npz, table, tmp_path, capsys, monkeypatch):
    a, b = table(rows(), "a.csv"), table(rows(), "b.csv")
    other = {"baseline": {"age_mae": 1, "gender_accuracy": 1}}
    (tmp_path / "a.json").write_text(json.dumps(other))
    code, _, err = agejax_command(capsys, monkeypatch, "compare", a, b)
    assert (code, err.count("\n")) == (2, 1)
    assert "a.csv has no true ages: name a run" in err
    figures = compare({"a": [a], "ours": [npz]})
    assert figures["tasks"]["age"]["constant"] is None  # a.json is not an evaluation
    code, _, err = agejax_command(capsys, monkeypatch, "compare", npz, tmp_path / "none.csv")
    assert (code, err.count("\n")) == (2, 1)
    assert "none.csv: there is no such file" in err
