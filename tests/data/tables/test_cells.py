import pytest

from agejax.data.tables.parsing import BadRow, age_range, gender_code, image_path, split_name


@pytest.mark.parametrize(
    ("cell", "years"),
    [
        ("0", (0, 0)),
        ("25", (25, 25)),
        (" 25.7 ", (25, 25)),
        ("100", (100, 100)),
        ("20-29", (20, 29)),
        ("3 - 9", (3, 9)),
        ("20–29", (20, 29)),
        ("(25, 32)", (25, 32)),
        ("60 to 69", (60, 69)),
        ("70+", (70, 100)),
        ("more than 70", (70, 100)),
        ("", None),
        ("NaN", None),
        ("unknown", None),
    ],
)
def test_ages(cell, years):
    assert age_range(cell) == years


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("300", "outside"),
        ("101", "outside"),
        ("-1", "not an age|outside"),
        ("90-120", "outside"),
        ("29-20", "ends before it starts"),
        ("Oct-19", "not an age"),
        ("young", "not an age"),
        ("25 years", "not an age"),
    ],
)
def test_what_is_no_age_is_refused_and_never_guessed(cell, kind):
    with pytest.raises(BadRow, match=kind):
        age_range(cell)


def test_genders():
    assert [gender_code(x) for x in ("Female", "f", "woman", "MALE", "m", "man", "")] == [
        *(0, 0, 0, 1, 1, 1),
        None,
    ]
    for cell in ("0", "1", "x", "femal"):
        with pytest.raises(BadRow, match="not female or male"):
            gender_code(cell)


def test_splits():
    assert [split_name(x) for x in ("Train", "val", "TEST", "")] == [
        "train",
        "validation",
        "test",
        "",
    ]
    with pytest.raises(BadRow, match="not train"):
        split_name("trian")


def test_paths():
    assert image_path(" a//b/./c.jpg") == "a/b/c.jpg"
    assert image_path(r"a\b.jpg") == "a/b.jpg"
    assert image_path("/abs/x.jpg") == "/abs/x.jpg"
    for path in ("../x.jpg", "a/../../x.jpg", "..", r"..\x.jpg"):
        with pytest.raises(BadRow, match="outside"):
            image_path(path)
    for path in ("", "  ", "a\0b"):
        with pytest.raises(BadRow, match="no path"):
            image_path(path)
