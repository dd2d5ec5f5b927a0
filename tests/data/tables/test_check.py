import tracemalloc

import pytest

from agejax.data.tables.check import check
from agejax.data.tables.report import report
from tests.commands import agejax_command


@pytest.fixture
def agejax_(capsys, monkeypatch):
    return lambda *args: agejax_command(capsys, monkeypatch, *args)


def test_a_good_table_is_counted_and_exits_with_0(agejax_, table):
    file = table(
        "path,age,gender,glasses\na.jpg,25,f,yes\nb.jpg,70+,m,no\nc.jpg,,m,\nd.jpg,30-39,,no\n"
    )
    code, out, err = agejax_("check", file)
    assert (code, err) == (0, "")
    assert "4 rows; CSV in UTF-8, separated by ','" in out
    assert "nothing is wrong" in out
    assert "config.tasks.glasses = {\"names\": ('no', 'yes')}" in out
    assert "unknown 1" in out
    assert "2 ages are ranges" in out


def test_a_table_without_rows_is_not_called_good(agejax_, table):
    file = table("path,age,gender\n")
    code, out, err = agejax_("check", file)
    assert (code, out) == (2, "")
    assert err.strip() == f"error: {file}: there is no face in it"


def test_everything_wrong_is_told_with_its_rows(agejax_, table, folder):
    (folder / "cut.jpg").write_bytes((folder / "a.jpg").read_bytes()[:300])
    (folder / "text.jpg").write_text("no image")
    file = table(
        "path,age,gender,person,split\n"
        "a.jpg,300,f,p,train\n"
        "b.jpg,20,0,p,train\n"
        "none.jpg,20,f,p,train\n"
        "cut.jpg,20,f,p,train\n"
        "text.jpg,20,f,p,train\n"
        "c.jpg,20,f,q,train\n"
        "c.jpg,20,f,q,train\n"
        "d.jpg,20,m,q,test\n"
        "e.jpg,20,m,r,train\n"
        "f.jpg,40,f,s,test\n"
    )
    code, out, _ = agejax_("check", file)
    assert code == 2
    for said in (
        "an age outside 0..100 (row 2: '300')",
        "a gender that is not female or male (row 3: '0')",
        "an image that cannot be read (row 4: none.jpg",
        "a damaged image (row 5: cut.jpg",
        "not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC image (row 6: text.jpg)",
        "the path of a row above (row 8)",
        "images under different ages (rows 10, 11: 20 and 40)",
        "images under both genders (rows 10, 11)",
        "persons of both genders (rows 7, 9)",
        "persons in two splits (rows 7 and 9: train and test)",
        "images in two splits (rows 10 and 11: train and test)",
        "images more than once",
    ):
        assert said in out, said


def test_a_range_does_not_contradict_an_age_within(table):
    checked = check(table("path,age\ne.jpg,20-29\nf.jpg,25\n"), progress=quiet)
    assert not checked.wrong
    checked = check(table("path,age\ne.jpg,20-29\nf.jpg,30\n"), progress=quiet)
    assert "images under different ages" in "\n".join(report(checked))


def test_the_good_rows_are_written_and_nothing_is_wrong_with_them(agejax_, table, tmp_path):
    file = table("path;age;light\na.jpg;300;x\nb.jpg;20;dim, red\nnone.jpg;20;y\n")
    good = tmp_path / "else" / "good.csv"
    code, out, _ = agejax_("check", file, "--good", good)
    assert code == 2
    assert f"{good}: 1 rows" in out
    assert good.read_text() == f'path,age,light\n{tmp_path}/b.jpg,20,"dim, red"\n'
    assert agejax_("check", good)[0] == 0
    assert agejax_("check", file, "--good", file)[0] == 2
    assert "300" in file.read_text()


def test_a_long_table_is_read_in_little_memory(table):
    rows = 30_000  # a million behind `pytest -k million` would tell the same: it is by row
    lines = "".join(
        f"face-{i:07}-of-a-long-name.jpg,{i % 90},f,person {i // 4}\n" for i in range(rows)
    )
    file = table("path,age,gender,person\n" + lines + "x.jpg,200,f,p\n" * 5000)
    tracemalloc.start()
    checked = check(file, images=False, progress=quiet)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert checked.rows == rows + 5000
    assert peak / rows < 200  # bytes a row; the row itself takes more
    assert "5,000 an age outside 0..100 (row 30002: '200'; " in "\n".join(report(checked))


def quiet(rows=None, **_):
    class Bar:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self):
            pass

    return Bar() if rows is None else rows
