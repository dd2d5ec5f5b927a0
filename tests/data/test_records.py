import shutil

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordWriter

from agejax.data.imdb_wiki import imdb_wiki
from agejax.data.records import Records, shards_of
from agejax.errors import UserError


def image(i):
    return np.random.default_rng(i).bytes(300)


@pytest.fixture
def folder(tmp_path):
    for i in range(3):
        writer = ArrayRecordWriter(str(tmp_path / f"x-train.array_record-{i:05}-of-00003"))
        for j in range(4):
            writer.write(image(i * 4 + j))
        writer.close()
    return tmp_path


def test_records_of_several_shards_come_in_the_order_asked_for(folder):
    records = Records(shards_of(folder, "train"), 12)
    rows = np.array([11, 0, 5, 4, 3, 5])
    assert records.read(rows) == [image(i) for i in rows]
    assert records.read(np.array([], int)) == []


@pytest.mark.parametrize("cut", [0, 100, -1])
def test_a_damaged_shard_is_named(folder, cut):
    shard = shards_of(folder, "train")[1]
    shard.write_bytes(shard.read_bytes()[:cut])
    with pytest.raises(UserError, match="00001-of-00003.*build the data again"):
        Records(shards_of(folder, "train"), 12).read(np.arange(12))


def test_a_record_with_a_flipped_bit_is_empty_and_the_others_are_read(folder):
    shard = shards_of(folder, "train")[0]
    data = bytearray(shard.read_bytes())
    data[data.index(image(2)) + 10] ^= 1
    shard.write_bytes(data)
    read = Records(shards_of(folder, "train"), 12).read(np.arange(12))
    assert read == [b"" if i == 2 else image(i) for i in range(12)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("columns-train.npz", "columns-train.npz is damaged"),
        ("drop_report.json", "drop_report.json is damaged"),
        ("archives.json", "archives.json is damaged"),
        ("dataset_info.json", "what describes the built data is damaged"),
    ],
)
@pytest.mark.parametrize("how", [lambda data: data[: len(data) // 2], lambda data: b"\xff" * 99])
def test_a_built_data_set_in_which_a_file_rots_is_told_in_one_line(
    built, archives, tmp_path, name, said, how
):
    home = shutil.copytree(built, tmp_path / "data")
    (file,) = home.rglob(name)
    file.write_bytes(how(file.read_bytes()))
    with pytest.raises(UserError, match=said) as error:
        imdb_wiki("train", data_dir=str(home), manual_dir=str(archives))
    assert "\n" not in str(error.value)
