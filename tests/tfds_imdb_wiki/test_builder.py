import hashlib
import io
import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from wiki_oracle import (
    FEATURES,
    SPLITS,
    columns,
    contents,
    dropped,
    oracle_of_folder,
    records,
    report,
)

from agejax.data.imdb_wiki import imdb_wiki
from tfds_imdb_wiki.build import build
from tfds_imdb_wiki.summary import summary
from tfds_imdb_wiki.tfds_imdb_wiki_dataset_builder import ImdbWiki

KINDS = {"imdb": ("imdb",), "wiki": ("wiki",), "imdb_wiki": ("imdb", "wiki")}
every_config = pytest.mark.parametrize("config", KINDS)


@pytest.fixture(scope="module")
def expected(archives):
    """The oracle's rows of each painted archive."""
    return {kind: oracle_of_folder(archives / f"{kind}_crop", kind) for kind in ("imdb", "wiki")}


def all_records(folder):
    return [record for split in SPLITS for record in records(folder, split)]


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


@every_config
def test_what_is_kept_and_dropped_is_what_the_painter_meant(config, archives, builds):
    painted = [
        json.loads((archives / f"{kind}_crop" / "painted.json").read_text())
        for kind in KINDS[config]
    ]
    told = report(builds[config])
    assert told["kept"] == sum(p["kept"] for p in painted)
    assert told["dropped"] == dict(sum((Counter(p["dropped"]) for p in painted), Counter()))
    assert len(all_records(builds[config])) == told["kept"]


@every_config
def test_every_row_of_the_mat_is_a_record_or_a_line_of_the_drop_list(config, builds, expected):
    rows = [row for kind in KINDS[config] for row in expected[kind]]
    folder = builds[config]
    told = report(folder)
    assert told["rows"] == len(rows) == told["kept"] + sum(told["dropped"].values())
    assert sorted(dropped(folder)) == sorted((r.path, r.reason) for r in rows if r.reason)
    stored = [text(record["path"]) for record in all_records(folder)]
    assert sorted(stored) == sorted(r.path for r in rows if not r.reason)


@every_config
def test_records_stand_sorted_by_path(config, builds):
    for split in SPLITS:
        paths = [text(record["path"]) for record in records(builds[config], split)]
        assert paths == sorted(paths)
        assert len(paths) > 1


def test_the_features_are_those_of_the_issue(builds):
    assert {frozenset(record) for record in all_records(builds["imdb"])} == {frozenset(FEATURES)}


@every_config
def test_labels_are_those_of_the_mat(config, builds, expected):
    rows = {row.path: row for kind in KINDS[config] for row in expected[kind]}
    for record in all_records(builds[config]):
        row = rows[text(record["path"])]
        told = record["age"], record["gender"], record["photo_year"], record["face_score"]
        assert told == (row.age, row.gender, row.year, np.float32(row.score))
        assert not record["second_face_score"] > 0


def originals(archives, folder):
    """(file's bytes, Pillow's view of the file, record) of every record."""
    for record in all_records(folder):
        file = (archives / text(record["path"])).read_bytes()
        yield file, Image.open(io.BytesIO(file)), record


def test_an_ordinary_jpeg_is_stored_byte_for_byte(archives, builds):
    ordinary = 0
    for file, image, record in originals(archives, builds["imdb_wiki"]):
        plain = image.mode == "RGB" and max(image.size) <= 512
        assert (record["image"] == file) == plain
        ordinary += plain
    assert ordinary > 400


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_greyscale_and_cmyk_are_stored_as_the_same_picture_in_rgb(mode, archives, builds):
    images = [
        (image, record)
        for _, image, record in originals(archives, builds["imdb_wiki"])
        if image.mode == mode
    ]
    assert images
    for image, record in images:
        stored = Image.open(io.BytesIO(record["image"]))
        assert (stored.format, stored.mode, stored.size) == ("JPEG", "RGB", image.size)
        error = np.abs(np.asarray(stored, int) - np.asarray(image.convert("RGB"), int))
        assert error.mean() < 6  # wrong colours are off by dozens


def test_large_images_are_scaled_to_512_pixels_and_keep_their_shape(archives, builds):
    large = [
        (image, record)
        for _, image, record in originals(archives, builds["imdb_wiki"])
        if max(image.size) > 512
    ]
    assert large
    for image, record in large:
        stored = Image.open(io.BytesIO(record["image"]))
        assert max(stored.size) == 512
        assert stored.width / stored.height == pytest.approx(image.width / image.height, abs=0.01)


@every_config
def test_the_columns_say_what_the_records_say(config, builds):
    told = columns(builds[config])
    for split in SPLITS:
        stored = records(builds[config], split)
        places = {"image_sha256", "image_start", "image_length"}
        assert set(told[split]) == FEATURES - {"image"} | places
        for name in FEATURES - {"image"}:
            values = [text(r[name]) if name in ("person", "path") else r[name] for r in stored]
            np.testing.assert_array_equal(told[split][name], values)
        digests = [hashlib.sha256(record["image"]).hexdigest() for record in stored]
        assert told[split]["image_sha256"].astype(str).tolist() == digests


def test_faces_are_read_without_a_parser_as_tfds_reads_them(archives, builds):
    data_dir = str(builds["imdb"].parents[2])
    for split in SPLITS:
        faces = imdb_wiki(split, manual_dir=str(archives), data_dir=data_dir)
        backwards = faces.rows[::-1]
        expected = [record["image"] for record in records(builds["imdb"], split)][::-1]
        assert faces.read(backwards) == expected


@every_config
def test_byte_identical_images_are_kept_and_counted(config, builds):
    groups = {}
    for record in all_records(builds[config]):
        groups.setdefault(record["image"], []).append(int(record["age"]))
    groups = [ages for ages in groups.values() if len(ages) > 1]
    assert groups
    different = sum(len(set(ages)) > 1 for ages in groups)
    assert report(builds[config])["byte_identical"] == {
        "groups": len(groups),
        "of_different_ages": different,
    }


def test_a_tar_gives_the_records_of_the_unpacked_folder(tars, builds, tmp_path):
    folder = build("imdb_wiki", str(tars), str(tmp_path))
    assert contents(folder) == contents(builds["imdb_wiki"])
    assert report(folder) == report(builds["imdb_wiki"])
    assert dropped(folder) == dropped(builds["imdb_wiki"])


@pytest.mark.parametrize("workers", [1, 4])
def test_the_number_of_workers_changes_nothing(workers, archives, builds, tmp_path, monkeypatch):
    monkeypatch.setattr(ImdbWiki, "workers", workers)
    folder = build("imdb", str(archives), str(tmp_path))
    assert contents(folder) == contents(builds["imdb"])
    assert dropped(folder) == dropped(builds["imdb"])


def test_a_second_build_gives_the_same_and_only_if_asked_for(small, tmp_path):
    folder = build("imdb", str(small), str(tmp_path))
    first = contents(folder)
    (folder / "mark").touch()
    assert build("imdb", str(small), str(tmp_path)) == folder
    assert (folder / "mark").exists()
    assert build("imdb", str(small), str(tmp_path), overwrite=True) == folder
    assert not (folder / "mark").exists()
    assert contents(folder) == first


def test_what_is_built_needs_no_archive_any_more(built):
    assert build("imdb", None, str(built)) == build("imdb", "/no/such/folder", str(built))


def test_the_records_are_array_record_whatever_was_asked_for(tmp_path):
    builder = ImdbWiki(config="imdb", data_dir=str(tmp_path), file_format="tfrecord")
    assert builder.info.file_format.value == "array_record"


def test_the_summary_gives_drops_rows_and_genders(builds):
    lines = [line.split() for line in summary(builds["imdb"]).splitlines()]
    for reason, count in report(builds["imdb"])["dropped"].items():
        assert [str(count), "dropped:", reason] in lines
    for split, told in columns(builds["imdb"]).items():
        (line,) = (line for line in lines if line[:1] == [split])
        ages = np.bincount(np.minimum(told["age"] // 10, 9), minlength=10)
        assert line[1:] == [str(len(told["age"])), f"{told['gender'].mean():.1%}", *map(str, ages)]
