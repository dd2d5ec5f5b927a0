import csv
import tarfile
from collections import Counter

import pytest
from wiki_oracle import columns, dropped, oracle, report

from tfds_imdb_wiki.build import build

KINDS = ("imdb", "wiki")
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def real(shared, tmp_path_factory):
    """The built folder of each config."""
    data = tmp_path_factory.mktemp("real")
    return {
        config: build(config, str(shared), str(data)) for config in ("imdb", "wiki", "imdb_wiki")
    }


@pytest.fixture(scope="module")
def expected(shared):
    """The oracle's rows of each archive."""
    rows = {}
    for kind in KINDS:
        with tarfile.open(shared / f"{kind}_crop.tar") as tar:
            files = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}
        read = lambda name, files=files, kind=kind: files.get(f"{kind}_crop/{name}")
        rows[kind] = oracle(kind, files[f"{kind}_crop/{kind}.mat"], read)
    return rows


@each_kind
def test_kept_rows_ages_and_genders_are_exactly_right(kind, real, expected):
    told = Counter(
        row
        for c in columns(real[kind]).values()
        for row in zip(
            *(c[k].tolist() for k in ("path", "age", "gender", "photo_year")), strict=True
        )
    )
    assert told == Counter(
        (r.path, r.age, r.gender, r.year) for r in expected[kind] if not r.reason
    )


@each_kind
def test_the_drop_report_accounts_for_every_row(kind, real, expected):
    told = report(real[kind])
    reasons = Counter(row.reason for row in expected[kind])
    assert told["rows"] == len(expected[kind])
    assert told["kept"] == reasons.pop("")
    assert {reason: n for reason, n in told["dropped"].items() if n} == reasons
    assert Counter(dropped(real[kind])) == Counter(
        (row.path, row.reason) for row in expected[kind] if row.reason
    )


def test_nobody_stands_in_two_splits(real):
    people = [set(told["person"].tolist()) for told in columns(real["imdb_wiki"]).values()]
    assert all(people)
    assert len(set.union(*people)) == sum(map(len, people))


def test_no_name_and_birth_stands_in_two_splits(real, expected):
    split_of = {
        path: split
        for split, told in columns(real["imdb_wiki"]).items()
        for path in told["path"].tolist()
    }
    splits = {}
    for row in [*expected["imdb"], *expected["wiki"]]:
        if row.name and not row.reason:
            splits.setdefault((row.name, row.dob), set()).add(split_of[row.path])
    assert len(splits) > 1000
    assert all(len(where) == 1 for where in splits.values())


def test_both_together_are_what_each_is_alone(real):
    both = columns(real["imdb_wiki"])
    for split, told in both.items():
        alone = [columns(real[kind])[split] for kind in KINDS]
        for name in ("path", "person", "image_sha256"):
            assert told[name].tolist() == [v for c in alone for v in c[name].tolist()]


def test_the_byte_identical_groups_are_found(real):
    assert report(real["imdb_wiki"])["byte_identical"] == {"groups": 387, "of_different_ages": 157}


def test_paths_are_spelled_as_in_the_attributes(shared, real):
    with open(shared / "attributes.csv", newline="", encoding="utf-8") as file:
        known = {row["path"] for row in csv.DictReader(file)}
    stored = {path for c in columns(real["imdb_wiki"]).values() for path in c["path"].tolist()}
    everything = stored | {path for path, _ in dropped(real["imdb_wiki"])}
    assert known <= everything
    assert len(stored & known) > 0.9 * len(stored)
