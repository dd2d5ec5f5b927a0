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
files = 9 * Path(names).read_text().split()
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
    """40 faces of a test split and 8 of a training split, in a table of ages and one of groups."""
    exact = ["path,age,gender,race,split"]
    groups = exact[:]
    for i in range(48):
        Image.fromarray(np.full((8, 8, 3), 5 * i, np.uint8)).save(tmp_path / f"{i}.jpg")
        age = 13 * i % 70
        gender = "male" if age % 2 else "female"
        split = "train" if i < 8 else "test"
        rest = f"{gender},{'ab'[i % 2]},{split}"
        exact.append(f"{i}.jpg,{age},{rest}")
        groups.append(f"{i}.jpg,{age // 10 * 10}-{age // 10 * 10 + 9},{rest}")
    (tmp_path / "faces.csv").write_text("\n".join(exact))
    (tmp_path / "groups.csv").write_text("\n".join(groups))
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
    bench, faces, monkeypatch, capfd
):
    offsets = {bench.HERE: 0, "other": 10}
    monkeypatch.setattr(bench, "sides_of", lambda args: sides(bench, faces, offsets))
    out = faces / "out.json"
    args = [
        "--model",
        "runs/x",
        "--table",
        faces / "groups.csv",
        "--cache",
        faces / "cache",
        "--json",
        out,
    ]
    monkeypatch.setattr(sys, "argv", ["peers.py", *map(str, args)])
    bench.main()
    result = json.loads(out.read_text())
    assert result["ways"]["other"]["way"] == "right"
    found = {m: of["all"]["all"] for m, of in result["fairface"]["figures"].items()}
    assert found["exact"]["n"] == 40
    other = {m: of["sides"]["other"] for m, of in found.items()}
    last = 6 / 40  # those of the last group, after which there is none
    assert other["exact"]["value"] == pytest.approx(last)
    assert other["exact"]["difference"] == pytest.approx(last - 1)
    assert other["gender"]["difference"] == 0
    assert "| other | 15.0% (" in capfd.readouterr().out
    before = (faces / "asked").read_text().count("\n")
    bench.main()
    assert (faces / "asked").read_text().count("\n") == before + 80  # agejax's two ways alone


def test_exact_ages_give_errors_in_years_coverage_and_histograms(bench, faces, capfd):
    from peers_faces import of_table

    asked = sides(bench, faces, {bench.HERE: 0, "other": 3})
    crops = of_table("faces", faces / "faces.csv", "test")
    result = bench.shown(crops, bench.asked(asked, {"other": "right"}, crops, faces / "cache"))
    other = result["figures"]["mae"]["all"]["all"]["sides"]["other"]
    assert other["value"] == other["difference"] == 3
    assert result["figures"]["bias"]["gender"]["male"]["sides"]["other"]["value"] == 3
    assert result["coverage"]["all"] == {"all": 1}
    assert sum(result["histogram"]["other"]) == 40
    assert "| other | 3.00 (3.00 to 3.00) | +3.00 (+3.00 to +3.00) |" in capfd.readouterr().out


def test_age_groups_are_right_where_the_nearest_year_is_in_them(bench, faces):
    from peers_faces import of_table
    from peers_figures import measures

    table = faces / "three.csv"
    rows = "0.jpg,0-2,male,a,test\n1.jpg,3-9,male,a,test\n2.jpg,10-19,male,a,test"
    table.write_text(f"path,age,gender,race,split\n{rows}\n")
    crops = of_table("three", table, "test")
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


def test_all_sides_are_timed_on_the_same_files(bench, faces, capfd):
    from peers_faces import of_table

    asked = sides(bench, faces, {bench.HERE: 0, "other": 3})
    crops = of_table("faces", faces / "faces.csv", "test")
    found = bench.speeds(asked, {bench.HERE: "right", "other": "right"}, crops, n=4, rounds=2)
    assert found["faces_a_second"].keys() == {bench.HERE, "other"}
    assert [len(times) for times in found["seconds"].values()] == [2, 2]
    assert "| other | right | " in capfd.readouterr().out
