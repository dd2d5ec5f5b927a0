import unicodedata

import numpy as np
import pytest
from wiki_oracle import SPLITS, columns, oracle_of_folder

from tfds_imdb_wiki.rows import person_ids, split_of


def people_and_splits(folder):
    """{path: (person, split)} of a build."""
    return {
        path: (person, split)
        for split, told in columns(folder).items()
        for path, person in zip(told["path"].tolist(), told["person"].tolist(), strict=True)
    }


@pytest.fixture(scope="module")
def named(archives, builds):
    """[(archive, name, dob, person, split)] of the records of `imdb_wiki`."""
    where = people_and_splits(builds["imdb_wiki"])
    rows = []
    for kind in ("imdb", "wiki"):
        for row in oracle_of_folder(archives / f"{kind}_crop", kind):
            if not row.reason:
                rows.append((kind, row.name, row.dob, *where[row.path]))
    return rows


def test_nobody_stands_in_two_splits(builds):
    people = [set(told["person"].tolist()) for told in columns(builds["imdb_wiki"]).values()]
    assert all(people)
    assert len(set.union(*people)) == sum(map(len, people))


def test_one_name_and_birth_is_one_person_in_one_split(named):
    seen = {}
    for _, name, dob, person, split in named:
        if name:
            seen.setdefault((name, dob), set()).add((person, split))
    assert len(seen) > 100
    assert all(len(places) == 1 for places in seen.values())
    assert len({person for places in seen.values() for person, _ in places}) == len(seen)


def test_who_stands_in_both_archives_has_one_id(named):
    of = {"imdb": {}, "wiki": {}}
    for kind, name, dob, person, _ in named:
        if name:
            of[kind][name, dob] = person
    both = of["imdb"].keys() & of["wiki"].keys()
    assert both
    assert all(of["imdb"][who] == of["wiki"][who] for who in both)


def test_a_row_without_a_name_is_somebody(named):
    nameless = [person for _, name, _, person, _ in named if not name]
    others = {person for _, name, _, person, _ in named if name}
    assert nameless
    assert not others & set(nameless)
    assert len(set(nameless)) == len(nameless)


@pytest.mark.parametrize("kind", ["imdb", "wiki"])
def test_a_face_stands_in_the_same_split_of_one_archive_as_of_both(kind, builds):
    alone, both = people_and_splits(builds[kind]), people_and_splits(builds["imdb_wiki"])
    assert alone == {path: both[path] for path in both if path.startswith(f"{kind}_crop/")}


def ids(*rows, kind="imdb"):
    """The person ids of (name, dob, path) rows."""
    names, dobs, paths = zip(*rows, strict=True)
    mat = {"name": np.array(names), "dob": np.array(dobs), "full_path": np.array(paths)}
    return person_ids(mat, kind).tolist()


def imdb_path(number, photo):
    return f"{number % 100:02}/nm{number:07}_rm{photo}_1970-1-2_2000.jpg"


def test_a_namesake_of_another_birth_is_another_person():
    a, b = ids(("Ada", 719000, imdb_path(1, 5)), ("Ada", 719001, imdb_path(1, 6)))
    assert a != b


def test_a_name_may_be_spelled_composed_or_decomposed():
    composed = unicodedata.normalize("NFC", "Léa Gómez")
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    a, b = ids((composed, 719000, imdb_path(1, 5)), (decomposed, 719000, imdb_path(2, 6)))
    assert a == b


def test_nameless_rows_of_one_id_are_one_person():
    a, b, c = ids(
        ("", 719000, imdb_path(1, 5)), ("", 719000, imdb_path(1, 6)), ("", 719000, imdb_path(2, 7))
    )
    assert a == b != c


def test_nameless_rows_of_one_wiki_id_are_one_person():
    paths = ("12/12_1970-01-02_2000.jpg", "12/12_1970-01-02_2005.jpg", "13/13_1970-01-02_2000.jpg")
    a, b, c = ids(*(("", 719000, path) for path in paths), kind="wiki")
    assert a == b != c


def test_a_nameless_row_is_whom_its_id_and_birth_are_named_elsewhere():
    a, b = ids(("", 719000, imdb_path(1, 5)), ("Ada", 719000, imdb_path(1, 6)))
    assert a == b


def test_a_nameless_row_with_two_candidates_is_neither():
    rows = [(name, 719000, imdb_path(1, i)) for i, name in enumerate(("", "Ada", "Eva"))]
    assert len(set(ids(*rows))) == 3


def test_the_order_of_the_rows_does_not_matter():
    rows = [
        (name, dob, imdb_path(number, 10 * number + i))
        for number in range(6)
        for i, (name, dob) in enumerate([("Ada", 719000 + number % 2), ("", 719000)])
    ]
    assert ids(*rows) == ids(*rows[::-1])[::-1]


def test_four_fifths_train_and_a_tenth_each_validates_and_tests():
    rows = [(f"Person {i}", 719000 + i, imdb_path(i, i)) for i in range(4000)]
    splits = [split_of(person) for person in ids(*rows)]
    shares = [splits.count(split) / len(splits) for split in SPLITS]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)
