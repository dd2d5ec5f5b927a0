import csv
import tarfile
from collections import Counter

import numpy as np
import pytest
from wiki_oracle import columns, dropped, oracle, report

from tfds_imdb_wiki.build import build

KINDS = {"imdb_wiki": ("imdb", "wiki"), "wiki": ("wiki",)}
each_config = pytest.mark.parametrize("config", KINDS)


@pytest.fixture(scope="module")
def real(shared, tmp_path_factory):
    """The built folders of both archives together, and of one alone."""
    data = tmp_path_factory.mktemp("real")
    return {config: build(config, str(shared), str(data)) for config in KINDS}


@pytest.fixture(scope="module")
def expected(shared):
    """The oracle's rows of each archive."""
    rows = {}
    for kind in ("imdb", "wiki"):
        with tarfile.open(shared / f"{kind}_crop.tar") as tar:
            files = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}
        read = lambda name, files=files, kind=kind: files.get(f"{kind}_crop/{name}")
        rows[kind] = oracle(kind, files[f"{kind}_crop/{kind}.mat"], read)
    return rows


@each_config
def test_kept_rows_ages_and_genders_are_exactly_right(config, real, expected):
    names = ("path", "age", "gender", "photo_year")
    told = [
        row
        for split in columns(real[config]).values()
        for row in zip(*(split[name].tolist() for name in names), strict=True)
    ]
    rows = [row for kind in KINDS[config] for row in expected[kind] if not row.reason]
    assert sorted(told) == sorted((row.path, row.age, row.gender, row.year) for row in rows)


@each_config
def test_the_drop_report_accounts_for_every_row(config, real, expected):
    rows = [row for kind in KINDS[config] for row in expected[kind]]
    told, reasons = report(real[config]), Counter(row.reason for row in rows)
    assert told["rows"] == len(rows)
    assert told["kept"] == reasons.pop("")
    assert {reason: n for reason, n in told["dropped"].items() if n} == reasons
    listed = sorted((row.path, row.reason) for row in rows if row.reason)
    assert sorted(dropped(real[config])) == listed


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


def test_an_archive_is_alone_what_it_is_with_the_other(real):
    alone, both = columns(real["wiki"]), columns(real["imdb_wiki"])
    for split in both:
        of_wiki = np.char.startswith(both[split]["path"], "wiki_crop/")
        for name in ("path", "person", "image_sha256"):
            assert alone[split][name].tolist() == both[split][name][of_wiki].tolist()


def test_the_byte_identical_groups_are_found(real):
    assert report(real["imdb_wiki"])["byte_identical"] == {"groups": 387, "of_different_ages": 157}


def test_paths_are_spelled_as_in_the_attributes(shared, real):
    with open(shared / "attributes.csv", newline="", encoding="utf-8") as file:
        known = {row["path"] for row in csv.DictReader(file)}
    stored = {path for c in columns(real["imdb_wiki"]).values() for path in c["path"].tolist()}
    everything = stored | {path for path, _ in dropped(real["imdb_wiki"])}
    assert known <= everything
    assert len(stored & known) > 0.9 * len(stored)
