"""A built data set in which one file rots: its array_record shards, columns and descriptions."""

import shutil

import numpy as np

from agejax.data import imdb_wiki
from agejax.data.imdb_wiki import of_folder
from tests.battery.fuzz.mutate import damaged, one_of


def prepare(folder, built):
    home = shutil.copytree(built, folder / "rotten")
    (info,) = home.rglob("dataset_info.json")
    there = info.parent
    files = sorted(file for file in there.iterdir() if file.is_file())
    shards = [file for file in files if "array_record" in file.name]
    columns = [file for file in files if file.suffix == ".npz"]
    others = [file for file in files if file not in {*shards, *columns}]
    good = {split: everything(of_folder(there, split)) for split in ("train", "validation", "test")}

    def case(rng):
        kind = (shards, columns, others)[rng.choice(3, p=(0.7, 0.2, 0.1))]
        file = one_of(rng, kind)
        data = file.read_bytes()
        file.write_bytes(damaged(data, rng))
        try:
            return read(file)
        finally:
            file.write_bytes(data)

    def read(file):
        if file in others:
            imdb_wiki._built.cache_clear()
            faces = imdb_wiki.imdb_wiki("train", data_dir=str(home))
            return "read" if everything(faces) == good["train"] else "other"
        split = next(split for split in good if split in file.name)
        labels, images = everything(of_folder(there, split))
        if labels != good[split][0]:
            return "other"
        pairs = list(zip(images, good[split][1], strict=True))
        if any(ours not in (b"", theirs) for ours, theirs in pairs):
            return "other"
        return "read" if all(ours for ours, _ in pairs) else "quarantined"

    return case


def everything(faces):
    """Labels and images of all faces, b"" where one cannot be read."""
    labels = [faces.path, *faces.labels.values(), faces.sha256, faces.person]
    return [column.tolist() for column in labels], faces.read(np.arange(len(faces)))
