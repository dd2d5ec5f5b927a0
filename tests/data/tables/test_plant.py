import csv

import numpy as np
import pytest

from agejax.data.tables.plant import plant
from agejax.errors import UserError
from tests.commands import agejax_command


@pytest.fixture
def plant_(capsys, monkeypatch):
    return lambda *args: agejax_command(capsys, monkeypatch, "plant", *args)


def rows(file):
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


@pytest.fixture
def ages(table):
    text = "path,age,gender,race\n"
    for i in range(50):
        text += f"{i}.jpg,{(7 * i) % 90},{('female', 'male', '')[i % 3]},x{i}\n"
    return table(text)


def test_a_swap_keeps_all_but_some_ages(ages, plant_, tmp_path):
    out = tmp_path / "there" / "planted.csv"
    out.parent.mkdir()
    code, said, _ = plant_(ages, "--rate", 0.3, "--years", 15, 100, "--seed", 1, "-o", out)
    assert (code, said.split(":")[1].split()[:5]) == (0, ["50", "rows,", "15", "of", "them"])
    before, after = rows(ages), rows(out)
    changed = [i for i in range(50) if before[i]["age"] != after[i]["age"]]
    assert len(changed) == 15
    for i, (old, new) in enumerate(zip(before, after, strict=True)):
        assert (old["gender"], old["race"]) == (new["gender"], new["race"])
        assert new["path"] == str(tmp_path / old["path"])
        assert new["planted"] == (f"age was {old['age']}" if i in changed else "")
    assert all(abs(int(before[i]["age"]) - int(after[i]["age"])) >= 15 for i in changed)
    assert {after[i]["age"] for i in changed} <= {row["age"] for row in before}
    other = tmp_path / "other.csv"
    plant_(ages, "--rate", 0.3, "--years", 15, 100, "--seed", 1, "-o", other)
    assert [row["age"] for row in rows(other)] == [row["age"] for row in after]
    plant_(ages, "--rate", 0.3, "--years", 15, 100, "--seed", 2, "-o", other)
    assert [row["age"] for row in rows(other)] != [row["age"] for row in after]


def test_a_wrong_year_and_the_other_gender(ages, plant_, tmp_path):
    out = tmp_path / "planted.csv"
    assert plant_(ages, "--kind", "year", "--rate", 1, "-o", out)[0] == 0
    off = [abs(int(a["age"]) - int(b["age"])) for a, b in zip(rows(ages), rows(out), strict=True)]
    assert min(off) >= 5
    assert max(off) <= 14
    assert plant_(ages, "--kind", "gender", "--rate", 0.5, "-o", out)[0] == 0
    pairs = [(a["gender"], b["gender"]) for a, b in zip(rows(ages), rows(out), strict=True)]
    assert sum(a != b for a, b in pairs) == 17  # of 34 that are known
    assert all(b for a, b in pairs if a)
    assert not any(b for a, b in pairs if not a)


def test_swapped_ranges_do_not_overlap():
    first, last = np.array([20, 20, 25, 30, 40]), np.array([29, 29, 25, 39, 40])
    every = np.ones(5, bool)
    for seed in range(20):
        found = plant("swap", first, every, 1.0, seed, last=last)
        apart = (first[found.source] > last[found.rows]) | (last[found.source] < first[found.rows])
        assert apart.all()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--rate", 0), "the rate is 0"),
        (("--rate", 2), "the rate is 2"),
        (("--years", 99, 100), "0 labels can become wrong in this way, not 10"),
        (("--years", 9, 5), "years from 9 to 5"),
        (("--years", 1, 5, "--kind", "gender"), "--years is for ages"),
        (("--seed", -1), "--seed is -1"),
    ],
)
def test_what_cannot_be_planted_is_one_line(ages, plant_, tmp_path, args, said):
    code, _, err = plant_(ages, *args, "-o", tmp_path / "planted.csv")
    assert (code, err.count("\n")) == (2, 1)
    assert said in err
    assert not (tmp_path / "planted.csv").exists()


def test_the_table_itself_and_bad_rows(table, plant_, tmp_path):
    file = table("path,age\na.jpg,30\nb.jpg,200\n")
    assert "this is the table itself" in plant_(file, "-o", file)[2]
    assert "row 3 cannot be used" in plant_(file, "-o", tmp_path / "x.csv")[2]
    assert "must end in .csv" in plant_(file, "-o", tmp_path / "x.txt")[2]
    with pytest.raises(UserError, match="labels can become wrong"):
        plant("swap", np.array([30]), np.array([True]), 1.0)
