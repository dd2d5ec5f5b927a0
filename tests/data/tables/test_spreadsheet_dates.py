"""Groups of ages that a spreadsheet made dates."""

import pytest

from agejax.data.tables.parsing import BadRow, age_range
from agejax.data.tables.spreadsheet_dates import groups_of_dates, is_date
from tests.commands import agejax_command
from tests.data.tables.conftest import jpeg

GROUPS = {"0-2": (0, 2), "20-29": (20, 29), "more than 70": (70, 100)}
THREE_TO_NINE = [
    *("03-Sep", "3-Sep", "Sep-03", "9-Mar", "09-Mar", "Mar-9", "3. Sep", "03. Sep.", "3 September"),
    *("09. Mär", "9-mrt", "3-sept", "2024-09-03", "2024-03-09 00:00:00", "9/3/2024", "03/09/2024"),
    *("3.9.2024", "3-Sep-2024", "Sep 3, 2024", "2024-09-03T00:00:00", "3/9/24", "SEP-3"),
]
TEN_TO_NINETEEN = ["Oct-19", "19-Oct", "Okt 19", "Oct-2019", "2019-10-01", "10/1/2019", "1/10/2019"]


@pytest.mark.parametrize("cell", THREE_TO_NINE + TEN_TO_NINETEEN)
def test_a_date_is_the_group_that_it_was(cell):
    group = (3, 9) if cell in THREE_TO_NINE else (10, 19)
    known = {"3-9": (3, 9)} if cell in TEN_TO_NINETEEN else {}
    assert groups_of_dates([cell], GROUPS | known) == {cell: group}
    assert groups_of_dates([cell], {}, [(0, 2), (3, 9), (10, 19)]) == {cell: group}
    with pytest.raises(BadRow, match="not an age but a date"):
        age_range(cell)


@pytest.mark.parametrize(
    "cell",
    ["", "5-May", "20-29", "25", "young", "Sep", "2024", "13/14/2024", "32-Sep", "0-Sep"]
    + ["more than 70", "2024-13-05", "Sep-2003", "Sept-1985-x", "1-2-3", "3-Foo", "70+"],
)
def test_what_is_no_group_is_left(cell):
    assert not is_date(cell)


def test_nothing_is_guessed():
    assert groups_of_dates(["03-Sep", "Oct-19"], {}) == {"03-Sep": (3, 9), "Oct-19": (10, 19)}
    assert groups_of_dates(["03-Sep", "Oct-19"], {"25": (25, 25)}) == {}  # exact ages, otherwise
    assert groups_of_dates(["03-Sep", "05-Oct", "11-Dec"], {}) == {}  # birthdays
    assert groups_of_dates(["03-Sep"], {}) == {}
    assert groups_of_dates(["25-Oct"], {"4.25": (4, 4)} | GROUPS) == {}  # 25.10 was an age
    born = ["1985-03-09", "1990-04-07", "2024-09-03"]
    assert groups_of_dates(born, GROUPS) == {}
    assert groups_of_dates(["2019-10-01"], {"20-29": (20, 29)}) == {}  # 1-10, or 10-19
    assert groups_of_dates(["2019-10-01", "2024-09-03"], {"20-29": (20, 29)}) == {
        "2019-10-01": (10, 19),
        "2024-09-03": (3, 9),
    }


LABELS = """file,age,gender,race,service_test
train/1.jpg,50-59,Male,East Asian,TRUE
train/2.jpg,03-Sep,Female,Black,FALSE
train/3.jpg,03-Sep,Female,Black,FALSE
train/4.jpg,Oct-19,Female,Indian,TRUE
train/9.jpg,Oct-19,Female,Indian,TRUE
../secret.jpg,20-29,Male,White,TRUE
"""


@pytest.mark.parametrize("home", ["", "fair_face"])
def test_fairface_as_it_is_passed_on(tmp_path, capsys, monkeypatch, home):
    names = ("train/1.jpg", "train/2.jpg", "train/3.jpg", "train/4.jpg", "val/1.jpg")
    for i, name in enumerate(names):
        file = tmp_path / home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(jpeg(i))
    (tmp_path / "fairface_label_train.csv").write_text(LABELS)
    (tmp_path / "fairface_label_val.csv").write_text(
        "file,age,gender,race\nval/1.jpg,9-Mar,Male,White\n"
    )
    out = tmp_path / "faces.csv"
    args = ["import", "fairface", tmp_path, "-o", out]
    code, _, err = agejax_command(capsys, monkeypatch, *args)
    assert code == 0
    begin = f"{home}/" if home else ""
    assert [line.split(",")[:2] for line in out.read_text().splitlines()[1:]] == [
        [f"{begin}train/1.jpg", "50-59"],
        [f"{begin}train/2.jpg", "3-9"],
        [f"{begin}train/3.jpg", "3-9"],
        [f"{begin}train/4.jpg", "10-19"],
        [f"{begin}val/1.jpg", "3-9"],
    ]
    assert "5 faces imported, 2 left out" in err
    assert f"1 for an image that is not there (searched in {tmp_path / home}" in err
    assert "leads outside" in err
    last = err.splitlines()[-1]
    assert last.startswith("4 ages that a spreadsheet had made dates are groups again (")
    assert "03-Sep as 3-9: 2" in last


def test_faces_in_two_places_are_asked_about(tmp_path, capsys, monkeypatch):
    for home in ("margin025", "margin125"):
        (tmp_path / home / "train").mkdir(parents=True)
    (tmp_path / "fairface_label_train.csv").write_text(LABELS)
    code, out, err = agejax_command(capsys, monkeypatch, "import", "fairface", tmp_path)
    assert (code, out) == (2, "")
    assert "margin025/train and " in err
