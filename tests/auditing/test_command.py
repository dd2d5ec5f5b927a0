"""`agejax audit` from a table of images to the page, by a small run that was saved."""

import csv
import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from tests.commands import agejax_command
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    with tarfile.open(ROOT / "tests" / "saved_runs" / "before_rooms.tar.gz") as tar:
        tar.extractall(folder, filter="data")
    return folder / "run"


@pytest.fixture
def table(tmp_path):
    """Thirty faces: one image under two ages, one that cannot be decoded."""
    rng = np.random.default_rng(0)
    text = "path,age,gender,person,race\n"
    for i in range(30):
        out = io.BytesIO()
        pixels = rng.integers(0, 256, (6, 6, 3)).astype(np.uint8)
        Image.fromarray(pixels).resize((40, 40)).save(out, "JPEG")
        data = out.getvalue()
        (tmp_path / f"{i:02}.jpg").write_bytes(data if i != 9 else data[: len(data) // 2])
        text += f"{i:02}.jpg,{20 + i},{('female', 'male')[i % 2]},p{i // 2},{'xy'[i % 2]}\n"
    (tmp_path / "29.jpg").write_bytes((tmp_path / "00.jpg").read_bytes())
    file = tmp_path / "faces.csv"
    file.write_text(text)
    return file


@pytest.fixture
def audit_(capsys, monkeypatch, weights):
    return lambda *args: agejax_command(
        capsys, monkeypatch, "audit", "--checkpoint", weights, *args
    )


def rows(file):
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_from_a_table_to_the_page_and_the_good_rows(table, audit_, tmp_path):
    out, sheet, good = (tmp_path / name for name in ("audit.csv", "sheet.html", "good.csv"))
    code, said, _ = audit_(table, "-o", out, "--sheet", sheet, "--faces", 12)
    assert code == 0
    assert "1 images cannot be decoded" in said
    assert "race x" in said
    found = rows(out)
    assert len(found) == 58  # the labels of 29 faces
    assert "the same image is labelled" in found[0]["reason"] + found[1]["reason"]
    page = sheet.read_text()
    assert page.count('type="checkbox"') == 12
    assert "http://" not in page
    assert "https://" not in page

    code, table_alone, aside = audit_(table)
    assert (code, table_alone) == (0, out.read_text())
    assert "cannot be decoded" in aside

    again = audit_(table, "-o", tmp_path / "audit.csv")[1]
    assert "features of" not in again  # all are there already
    ticks = tmp_path / "ticks.csv"
    ticks.write_text("path,task\n03.jpg,age\n04.jpg,age\n04.jpg,gender\n")
    code, said, _ = audit_(table, "-o", out, "--ticks", ticks, "--good", good)
    assert code == 0
    assert f"{good}: 29 rows, 3 labels left out" in said
    kept = {row["path"]: row for row in rows(good)}
    assert "04.jpg" not in kept
    assert (kept["03.jpg"]["age"], kept["03.jpg"]["gender"]) == ("", "male")
    assert kept["05.jpg"] == rows(table)[5]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "name either a table"),
        (("{table}", "--config", "x.py"), "name either a table"),
        (("{table}", "--above", 2), "--above is 2"),
        (("{table}", "--ticks", "x.csv"), "--ticks goes with --good"),
        (("{table}", "--good", "x.txt"), "must end in .csv"),
        (("{table}", "--good", "{table}"), "this is the table itself"),
        (("{table}", "-o", "{table}"), "this is the table itself"),
        (("{folder}", "--good", "x.csv"), "have to be a table"),
        (("{folder}",), "a folder, but not one that `agejax pack` wrote"),
        (("nowhere.csv",), "there is no such table"),
    ],
)
def test_what_cannot_be_audited_is_one_line(table, audit_, args, said):
    fill = lambda text: str(text).format(table=table, folder=table.parent)
    code, out, err = audit_(*map(fill, args))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_ticks_are_saved_by_the_page(browser, tmp_path):
    """The page needs no server, and what it saves is read as it is."""
    from agejax.auditing.good import ticked
    from agejax.auditing.sheet import write_sheet
    from tests.auditing.conftest import small_audit

    file = tmp_path / "sheet.html"
    write_sheet(small_audit(['=1+1,"<b>.jpg', "b.jpg", "ü/c.jpg"]), file)
    page = browser.new_page()
    try:
        asked = []
        page.on("request", lambda request: asked.append(request.url.split(":")[0]))
        page.goto(file.as_uri())
        for box in page.locator("input").all():
            if box.get_attribute("data-task") == "age":
                box.check()
        assert page.locator("output").inner_text() == "3 ticked"
        with page.expect_download() as saved:
            page.get_by_role("button").click()
        saved.value.save_as(tmp_path / "ticks.csv")
        assert set(asked) <= {"file", "data", "blob"}
    finally:
        page.close()
    names = ('=1+1,"<b>.jpg', "b.jpg", "ü/c.jpg")
    assert ticked(tmp_path / "ticks.csv") == {(name, "age") for name in names}
