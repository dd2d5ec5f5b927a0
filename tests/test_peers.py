import json
import sys

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT

FAKE = """
import sys
from pathlib import Path
from turns import serve

years, variant, root, names, out = sys.argv[1:]
files = Path(names).read_text().split()
log = Path(root, "asked").open("a")

def work(n):
    rows = []
    for file in [files.pop(0) for _ in range(n)]:
        assert Path(root, file).is_file()
        label = 13 * int(file.split(".")[0]) % 70
        male = int(label % 2 == (0 if variant == "turned" else 1))
        row = [file, label + int(years), male, 1, label - 1, label + 1, 20]
        rows.append(",".join(map(str, row if years == "0" else row[:4])) + "\\n")
        log.write(f"{variant} {file}\\n")
    log.flush()
    with open(out, "a") as to:
        to.writelines(rows)

serve(work)
"""


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import peers

    return peers


@pytest.fixture
def faces(tmp_path):
    """40 faces of a test split and 8 of a training split, the table with exact ages."""
    rows = ["path,age,gender,race,split"]
    for i in range(48):
        Image.fromarray(np.full((8, 8, 3), 5 * i, np.uint8)).save(tmp_path / f"{i}.jpg")
        age = 13 * i % 70
        gender = "male" if age % 2 else "female"
        split = "train" if i < 8 else "test"
        rows.append(f"{i}.jpg,{age},{gender},{'ab'[i % 2]},{split}")
    (tmp_path / "faces.csv").write_text("\n".join(rows))
    return tmp_path


def sides(bench, folder, offsets):
    from peers_read import COLUMNS

    file = folder / "fake.py"
    file.write_text(FAKE)
    env = {"PYTHONPATH": str(ROOT / "benchmarks")}
    return {
        name: bench.Side(
            name,
            (str(file), str(years)),
            ("turned", "right"),
            sys.executable,
            env,
            columns=bench.OURS if name == bench.HERE else COLUMNS,
        )
        for name, years in offsets.items()
    }


def test_sides_are_compared_on_the_same_faces_as_their_training_faces_decide(
    bench, faces, monkeypatch, capsys
):
    offsets = {bench.HERE: 0, "other": 3}
    monkeypatch.setattr(bench, "sides_of", lambda args: sides(bench, faces, offsets))
    out = faces / "out.json"
    args = ["--table", faces / "faces.csv", "--cache", faces / "cache", "--json", out]
    monkeypatch.setattr(sys, "argv", ["peers.py", *map(str, args)])
    bench.main()
    figures = json.loads(out.read_text())
    assert figures["ways"]["other"]["way"] == "right"
    [everyone] = figures["fairface"]["figures"]["mae"]["all"].values()
    assert everyone["n"] == 40
    other = everyone["sides"]["other"]
    assert other["value"] == other["difference"] == 3
    assert figures["fairface"]["coverage"]["all"] == {"all": 1}
    assert sum(figures["fairface"]["histogram"]["other"]) == 40
    printed = capsys.readouterr().out
    assert "| other | 3.00 (3.00 to 3.00) | +3.00 (+3.00 to +3.00) | 100.0%" in printed
    asked = (faces / "asked").read_text().split("\n")
    bench.main()
    again = (faces / "asked").read_text().split("\n")[len(asked) - 1 :]
    assert len(again) == 81  # agejax in both ways, and nobody else


def test_age_groups_are_right_where_the_nearest_year_is_in_them(bench, faces):
    from peers_faces import of_table
    from peers_figures import measures

    table = faces / "groups.csv"
    rows = "0.jpg,0-2,male,a,test\n1.jpg,3-9,male,a,test\n2.jpg,10-19,male,a,test"
    table.write_text(f"path,age,gender,race,split\n{rows}\n")
    crops = of_table("groups", table, "test")
    found = measures(crops, {"age": np.array([2.4, 2.4, 2.4]), "male": np.array([0.9, 0.4, 0.5])})
    assert found["exact"].tolist() == [1, 0, 0]
    assert found["one_off"].tolist() == [1, 1, 0]
    assert found["gender"].tolist() == [1, 0, 1]


def test_what_a_cut_off_left_is_asked_again(bench, faces):
    from peers_faces import of_table
    from peers_read import answers

    crops = of_table("faces", faces / "faces.csv", "test")
    [side] = sides(bench, faces, {"other": 3}).values()
    (faces / "cache").mkdir()
    file = faces / "cache" / "faces-other-right.csv"
    whole = "".join(f"{path},50,1,1\n" for path in crops.path[:-2])
    file.write_text(whole + f"{crops.path[-2]},5")
    said = answers(side, "right", crops, faces / "cache")
    assert said["age"][:-2].tolist() == [50] * 38
    assert said["age"][-2:].tolist() == (crops.age[-2:] + 3).tolist()
    assert (faces / "asked").read_text().count("\n") == 2
