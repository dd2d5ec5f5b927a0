"""Cells that a spreadsheet would run, and how they come back."""

import csv
import io
import itertools

import pytest

from agejax.data.tables.csv_cells import CsvWriter, escaped, unescaped
from agejax.data.tables.table import Table
from agejax.errors import one_line
from agejax.utils.printable import printable
from tests.commands import agejax_command
from tests.data.tables.conftest import jpeg

HOSTILE = ["=1+1", "+x", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "'=1", "''@x", "＝1"]
HARMLESS = ["a.jpg", "", "'", "'a", "-1.5", "+3", "-1e-5", " -7 ", "'-1.5", "a=b", "20-29", -1.5, 3]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_formula_becomes_text(text):
    assert escaped(text) == f"'{text}"
    assert unescaped(escaped(text)) == text


@pytest.mark.parametrize("cell", HARMLESS)
def test_numbers_and_all_else_stay(cell):
    assert escaped(cell) == cell
    assert unescaped(str(cell)) == str(cell)


def test_what_is_escaped_comes_back_whatever_it_is():
    texts = ["".join(of) for n in range(6) for of in itertools.product("'=-1 \n", repeat=n)]
    assert [unescaped(escaped(text)) for text in texts] == texts
    assert len({escaped(text) for text in texts}) == len(texts)


def test_names_of_columns_are_escaped_too():
    out = io.StringIO()
    writer = CsvWriter(out, ["path", "=x"])
    writer.writeheader()
    writer.writerows([{"path": "a", "=x": "-1"}, {"path": "@b"}])
    assert out.getvalue() == "path,'=x\na,-1\n'@b,\n"


def test_every_table_of_ours_is_escaped_and_reads_back(tmp_path, capsys, monkeypatch):
    names = ["=cmd_1.jpg", "-2+3_2.jpg", "@x_3.jpg", "'=y_4.jpg"]
    for i, name in enumerate(names):
        (tmp_path / name).write_bytes(jpeg(40 * i))
    table, good = tmp_path / "faces.csv", tmp_path / "good.csv"
    pattern = ["--pattern", "{camera}_{age}.jpg", "-o", table]
    assert agejax_command(capsys, monkeypatch, "import", "names", tmp_path, *pattern)[0] == 0
    code, out, _ = agejax_command(capsys, monkeypatch, "check", table, "--good", good)
    assert code == 0, out
    for file in (table, good):
        with file.open(newline="") as opened:
            cells = [cell for row in csv.reader(opened) for cell in row]
        assert not any(cell.startswith(("=", "-", "@")) for cell in cells)
        assert sorted(cells["path"] for _, cells in Table(file)) == sorted(names)


def test_a_name_that_is_no_text_costs_itself_alone(tmp_path, capsys, monkeypatch):
    for name in (b"1_a.jpg", b"2_\xff.jpg"):
        with open(bytes(tmp_path) + b"/" + name, "wb") as file:
            file.write(jpeg(1))
    args = ["import", "names", tmp_path, "--pattern", "{age}_*"]
    code, out, err = agejax_command(capsys, monkeypatch, *args)
    assert code == 0
    assert "1_a.jpg" in out
    assert "1 faces imported, 1 left out" in err
    assert "\\xff" in err


def test_names_of_files_do_not_command_a_terminal(tmp_path, capsys, monkeypatch):
    assert printable("a\n\x1b[2Jb é\u202e\udcff.jpg") == "a\\n\\x1b[2Jb é\\u202e\\xff.jpg"
    name = "x\x1b[2J\nerror: all is well.jpg"
    (tmp_path / name).write_bytes(b"\xff\xd8")
    table = tmp_path / "faces.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["path", "age"], [name, "3"]])
    code, out, _ = agejax_command(capsys, monkeypatch, "check", table)
    assert code == 2
    assert "\x1b" not in out
    assert "\nerror:" not in out
    with pytest.raises(SystemExit), one_line():
        raise FileNotFoundError(2, "No such file", name)
    err = capsys.readouterr().err
    assert err == "error: x\\x1b[2J\\nerror: all is well.jpg: No such file\n"


def test_predictions_are_escaped():
    from agejax.inference.prediction import Reading
    from agejax.inference.show import as_csv

    out = io.StringIO()
    as_csv(out)(Reading("=1+1.jpg", []))
    assert next(csv.reader(out.getvalue().splitlines()[1:]))[0] == "'=1+1.jpg"
