import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.example_serializer import ExampleSerializer
from tensorflow_datasets.proto import tf_example_pb2

from agejax.data.records import Records, shards_of
from tfds_imdb_wiki.tfds_imdb_wiki_dataset_builder import ImdbWiki
from tfds_imdb_wiki.writer import serialized, write_split


def examples(n):
    rng = np.random.default_rng(0)
    for i in range(n):
        yield {
            "image": b"\xff\xd8" + rng.bytes(int(rng.integers(100, 2000))),
            "age": i,
            "gender": i % 2,
            "face_score": np.float32(rng.normal()),
            "second_face_score": np.float32("nan"),
            "person": "Léa"[: i % 4],
            "photo_year": 1990 + i,
            "path": f"imdb_crop/00/nm{i}.jpg",
        }


def test_records_are_those_of_tfds(tmp_path):
    features = ImdbWiki(config="imdb", data_dir=str(tmp_path)).info.features
    serializer = ExampleSerializer(features.get_serialized_info())
    theirs = [serializer.serialize_example(features.encode_example(e)) for e in examples(8)]
    parse = tf_example_pb2.Example.FromString
    for ours, other in zip(serialized(examples(8)), theirs, strict=True):
        assert sorted(parse(ours).features.feature) == sorted(parse(other).features.feature)
        for name, feature in parse(other).features.feature.items():
            # By bytes: NaN is not equal to itself.
            mine = parse(ours).features.feature[name]
            assert mine.SerializeToString() == feature.SerializeToString(), name


def test_a_split_of_several_shards_is_one_sequence(tmp_path):
    builder = ImdbWiki(config="imdb", data_dir=str(tmp_path))
    folder = tmp_path / "shards"
    folder.mkdir()
    template = builder._get_filename_template("train").replace(data_dir=folder)
    info = write_split(examples(40), template, 10_000)
    written = list(serialized(examples(40)))
    assert info.num_examples == 40
    assert info.num_shards > sum(map(len, written)) / 10_000 > 3
    ends = np.cumsum(info.shard_lengths)
    sizes = [sum(map(len, part)) for part in np.split(np.array(written, object), ends[:-1])]
    assert max(sizes) <= 10_000
    assert sorted(folder.iterdir()) == sorted(map(folder.__truediv__, info.filenames))
    records = Records(shards_of(folder, "train"), 40)
    assert records.read(np.arange(40)) == written


def test_one_large_record_is_a_shard(tmp_path):
    builder = ImdbWiki(config="imdb", data_dir=str(tmp_path))
    template = builder._get_filename_template("test").replace(data_dir=tmp_path)
    assert write_split(examples(3), template, 1).shard_lengths == [1, 1, 1]


@pytest.mark.parametrize(
    ("settings", "holds"),
    [
        ({"num_shards": 3}, lambda train: train.num_shards == 3),
        ({"max_shard_size": 30_000, "min_shard_size": 1}, lambda train: train.num_shards > 3),
        ({"max_examples_per_split": 5}, lambda train: train.num_examples == 5),
    ],
)
def test_the_options_of_tfds_hold(settings, holds, archives, tmp_path):
    builder = ImdbWiki(config="imdb", data_dir=str(tmp_path))
    config = tfds.download.DownloadConfig(manual_dir=str(archives), **settings)
    builder.download_and_prepare(download_config=config)
    assert holds(builder.info.splits["train"])
