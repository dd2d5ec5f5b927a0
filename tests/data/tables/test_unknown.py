"""`agejax import --unknown`, and values that argparse takes for options."""

import csv
import io

import pytest

from tests.commands import agejax_command

THEIRS = "path,age,gender,race\na.jpg,-1,f,1\nb.jpg,999,m,-1.0\nc.jpg,30,m,2\nd.jpg,-1.0,f,999\n"


@pytest.fixture
def imported(tmp_path, capsys, monkeypatch):
    file = tmp_path / "theirs.csv"
    file.write_text(THEIRS)

    def ran(*args):
        code, out, err = agejax_command(capsys, monkeypatch, "import", "table", file, *args)
        return code, [list(row.values()) for row in csv.DictReader(io.StringIO(out))], err

    return ran


def test_a_value_says_that_nothing_is_known_in_any_column(imported):
    code, rows, err = imported("--unknown", "-1", "--unknown", "999")
    assert code == 0
    assert [row[1] for row in rows] == ["", "", "30", ""]
    assert [row[3] for row in rows] == ["1", "", "2", ""]
    assert "0 left out" in err


def test_or_in_one_column(imported):
    code, rows, _ = imported("--unknown", "age=-1", "--unknown", "AGE=999")
    assert code == 0
    assert [row[1] for row in rows] == ["", "", "30", ""]
    assert [row[3] for row in rows] == ["1", "-1.0", "2", "999"]


def test_values_that_begin_with_a_minus(imported):
    values = ["--values", "age", "-1=unknown,30=30,999=unknown"]
    code, rows, err = imported(*values)
    assert code == 0
    assert [row[1] for row in rows] == ["unknown", "unknown", "30"]
    assert "1 for a age that is not one of -1, 30, 999" in err
    code, rows, _ = imported(*values, "--unknown", "-1", "--gender", "-1=x,f=female,m=male")
    assert rows[0][1:3] == ["", "female"]
    assert len(rows) == 4


@pytest.mark.parametrize("given", ["", "=", "age=", "=-1", "hair=-1"])
def test_what_cannot_be_meant_is_one_line(imported, given):
    code, rows, err = imported("--unknown", given)
    assert (code, rows) == (2, [])
    assert err.startswith("error: --unknown")
    assert err.count("\n") == 1
