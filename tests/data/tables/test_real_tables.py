"""Tables as programs and people write them: decimal commas, JSON of pandas, names of macOS."""

import json
import unicodedata

import numpy as np
import pytest

from agejax.data.attributes import read_attributes
from agejax.data.own_faces import own_faces
from agejax.data.tables.parsing import BadRow, age_range
from agejax.data.tables.rows import faces_of
from agejax.data.tables.table import Table
from agejax.errors import UserError
from tests.commands import agejax_command
from tests.data.tables.conftest import jpeg


def faces(file):
    return [row for _, row in faces_of(Table(file))]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_decimal_comma_is_no_range(table, mark):
    rows = ["path,age", "a.jpg,#4,25#", "b.jpg,#30#", "c.jpg,#(25, 32)#", "d.jpg,#4,5-6,5#"]
    lines = [row.replace(",", mark, 1).replace("#", '"') for row in rows]
    found = faces(table("\n".join(lines)))
    assert [face.age for face in found] == [(4, 4), (30, 30), (25, 32), (4, 6)]


def test_where_commas_separate_a_comma_is_not_guessed_at(table):
    bad, good = faces(table('path,age\na.jpg,"4,25"\nb.jpg,"(4, 25)"\n'))
    assert isinstance(bad, BadRow)
    assert "because of its comma" in bad.kind
    assert good.age == (4, 25)
    with pytest.raises(BadRow, match="because of its comma"):
        age_range("25, 32")


def test_decimal_commas_stay_what_they_are_in_tables_made_of_it(table, capsys, monkeypatch):
    file = table("path;age\na.jpg;4,25\nb.jpg;30\n")
    good, again = file.with_name("good.csv"), file.with_name("again.csv")
    assert agejax_command(capsys, monkeypatch, "check", file, "--good", good)[0] == 0
    assert agejax_command(capsys, monkeypatch, "import", "table", file, "-o", again)[0] == 0
    for made in (good, again):
        assert [face.age for face in faces(made)] == [(4, 4), (30, 30)]


ROWS = [{"path": "a.jpg", "age": 25, "hair": "red"}, {"path": "b.jpg", "age": None, "hair": None}]
COLUMNS = {name: {str(i): row[name] for i, row in enumerate(ROWS)} for name in ROWS[0]}
DOCUMENTS = {
    "records": ROWS,
    "columns": COLUMNS,
    "list": {name: list(column.values()) for name, column in COLUMNS.items()},
    "index": {str(i): row for i, row in enumerate(ROWS)},
    "split": {"columns": list(ROWS[0]), "index": [0, 1], "data": [[*r.values()] for r in ROWS]},
    "table": {"schema": {"fields": []}, "data": [{"index": 0} | row for row in ROWS]},
}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("orient", DOCUMENTS)
def test_json_as_pandas_writes_it(table, orient, indent):
    text = "\ufeff" + json.dumps(DOCUMENTS[orient], indent=indent)
    found = faces(table(text, "faces.json"))
    assert [(face.path, face.age) for face in found] == [("a.jpg", (25, 25)), ("b.jpg", None)]
    assert [face.attributes["hair"] for face in found] == ["red", ""]


def test_a_single_line_is_a_row(table):
    file = table('{"path": "a.jpg", "age": 3, "meta": {"x": 1}}\n', "faces.json")
    assert Table(file).form == "JSON lines"
    assert faces(file)[0].attributes == {"meta": '{"x": 1}'}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"path": {"a": 1}, "age": 3}', "a path that is a list, an object or bytes"),
        ('{"path": ["a.jpg"], "age": 3}', "a path that is a list"),
        ('{"path": "a.jpg", "age": {"from": 3}}', "a age that is a list"),
        ('{"path": "a.jpg", "age": [3, [4]]}', "a age that is a list"),
        ('{"path": "a.jpg", "age": 3, "AGE": 4}', "appears twice"),
        ('{"path": "a.jpg", "x": ' + "[" * 200_000 + "}", "nested too deeply"),
        ('{"path": "a.jpg", "x": ' + "[" * 200_000 + "]" * 200_000 + "}", "nested too deeply"),
    ],
)
def test_nested_cells_cost_their_row(table, row, said):
    good, bad = faces(table('{"path": "g.jpg", "age": 3}\n' + row, "faces.jsonl"))
    assert good.age == (3, 3)
    assert said in str(bad)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 200_000, "not JSON|nested too deeply"),
        ("[[1, 2]]", "no column 'path', but none"),
        ('[{"path": ', "not JSON in UTF-8"),
        ('{"path": ["a"], "age": [1, 2]}', "of different lengths"),
        ('{\n"path": 3}', "JSON, but not a table"),
        ('{"columns": 5, "data": [[1]]}', "JSON, but not a table"),
    ],
)
def test_a_document_that_is_no_table_is_one_line(table, text, said):
    with pytest.raises(UserError, match=said) as error:
        Table(table(text, "faces.json"))
    assert "\n" not in str(error.value)


def test_nested_parquet(table):
    import pyarrow
    import pyarrow.parquet

    rows = [{"path": "a.jpg", "age": [20, 29], "image": {"bytes": b"xyz"}, "raw": b"xyz"}]
    file = table("", "faces.parquet")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    (face,) = faces(file)
    assert face.age == (20, 29)
    assert face.attributes["raw"] == "3 bytes"
    rows = [{"path": {"bytes": b"xyz"}, "age": 3}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    assert isinstance(faces(file)[0], BadRow)


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_are_found_in_either_normal_form(tmp_path, capsys, monkeypatch, forms):
    names = [unicodedata.normalize(form, "Zoë/José.jpg") for form in forms]
    (tmp_path / names[1]).parent.mkdir()
    (tmp_path / names[1]).write_bytes(jpeg(3))
    file = tmp_path / "faces.csv"
    file.write_text(f"path,age,split\n{names[0]},30,train\n", encoding="utf-8")
    code, out, _ = agejax_command(capsys, monkeypatch, "check", file)
    assert code == 0, out
    found = own_faces("train", path=str(file))
    assert found.read(np.array([0])) == [jpeg(3)]
    hair = tmp_path / "hair.csv"
    hair.write_text(f"path,hair\n{names[1]},red\n", encoding="utf-8")
    assert read_attributes(hair, found.path)["hair"].tolist() == ["red"]
