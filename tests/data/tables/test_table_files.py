import contextlib
import json
import random

import pytest

from agejax.data.tables.parsing import BadRow
from agejax.data.tables.rows import faces_of
from agejax.data.tables.table import Table
from agejax.errors import UserError

TEXT = "path,age,gender\na.jpg,25,female\nb.jpg,,m\n"
CELLS = [
    (2, {"path": "a.jpg", "age": "25", "gender": "female"}),
    (3, {"path": "b.jpg", "age": "", "gender": "m"}),
]


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "\t").encode("utf-16"),
        TEXT.replace("path,age", "Path, AGE").encode(),
    ],
)
def test_whatever_a_spreadsheet_writes_is_read(table, data):
    assert list(Table(table(data))) == CELLS


def test_json_lines_and_parquet_say_the_same(table):
    import pyarrow
    import pyarrow.parquet

    rows = [{"path": "a.jpg", "age": 25, "gender": "female"}]
    rows += [{"path": "b.jpg", "age": None, "gender": "m"}]
    lines = table("\n".join(map(json.dumps, rows)), "faces.jsonl")
    assert [cells for _, cells in Table(lines)] == [cells for _, cells in CELLS]
    file = lines.with_suffix(".parquet")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    assert [cells for _, cells in Table(file)] == [cells for _, cells in CELLS]


def test_a_range_in_json_is_a_list(table):
    lines = table('{"path": "a.jpg", "age": [20, 29]}', "faces.jsonl")
    assert next(faces_of(Table(lines)))[1].age == (20, 29)


@pytest.mark.parametrize(
    ("data", "number", "said"),
    [
        ("path,age\na.jpg,25\nb.jpg;25\n", 3, "not 2 cells: 1"),
        ("path,age\na.jpg,25,x\n", 2, "not 2 cells: 3"),
        (b"path,age\na.jpg,25\nM\xfcller.jpg,25\n", 3, "not UTF-8"),
        ('path,age\na.jpg,"25\n' + "x" * 200_000, 2, "open quote"),
        ("path,age\na.jpg,300\n", 2, "outside 0..100: '300'"),
        ("path,gender\na.jpg,0\n", 2, "not female or male: '0'"),
        ("path,age\n../a.jpg,3\n", 2, "outside the table's folder"),
    ],
)
def test_what_is_wrong_with_a_row_is_told_with_its_number(table, data, number, said):
    bad = [(n, row) for n, row in faces_of(Table(table(data))) if isinstance(row, BadRow)]
    assert bad[0][0] == number
    assert said in str(bad[0][1])


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        ("file,age\na.jpg,3\n", "x.csv", "no column 'path', but 'file', 'age'"),
        ("", "x.csv", "no column 'path', but none"),
        ("path,age,AGE\n", "x.csv", "more than one column age"),
        (TEXT.encode("utf-16-le"), "x.csv", "UTF-16 with a BOM"),
        (b"PAR1 no more", "x.parquet", "not a Parquet file"),
        ("[1]\n", "x.jsonl", "no column 'path'"),
    ],
)
def test_what_is_no_table_is_one_line(table, data, name, said):
    with pytest.raises(UserError, match=said) as error:
        Table(table(data, name))
    assert "\n" not in str(error.value)


def test_a_damaged_file_is_told_wherever_it_breaks(table):
    import pyarrow
    import pyarrow.parquet

    file = table("", "faces.parquet")
    rows = [{"path": f"{i}.jpg", "age": i % 90, "gender": "f"} for i in range(500)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    whole = {"faces.parquet": file.read_bytes(), "utf16.csv": (TEXT * 20).encode("utf-16")}
    whole |= {"faces.csv": (TEXT * 20).encode(), "faces.jsonl": b'{"path": "a", "age": 3}\n' * 20}
    rng = random.Random(0)
    for name, data in whole.items():
        for _ in range(60):
            broken = bytearray(data)
            for _ in range(rng.randint(1, 8)):
                broken[rng.randrange(len(broken))] = rng.randrange(256)
            with contextlib.suppress(UserError):
                list(faces_of(Table(table(bytes(broken[: rng.randint(1, len(broken))]), name))))


def test_a_missing_table(tmp_path):
    with pytest.raises(UserError, match="no such table"):
        Table(tmp_path / "none.csv")
