"""The TFDS builder `imdb_wiki`: needs no TensorFlow, and drops no row silently."""

import collections
import dataclasses
import itertools
import json
import os
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from agejax.data.parallel import in_order
from agejax.data.records import Records, shards_of
from agejax.data.tables.csv_cells import CsvWriter
from agejax.errors import UserError
from tfds_imdb_wiki.archive import Archive, files_home, find_archive, fingerprint
from tfds_imdb_wiki.candidates import Candidate, stored_images
from tfds_imdb_wiki.columns import add_row, byte_identical, image_starts
from tfds_imdb_wiki.imdb_mat import Columns, mat_reader
from tfds_imdb_wiki.paint import PAINTED
from tfds_imdb_wiki.rows import REASONS, SPLITS, drop_reasons, person_ids, split_of
from tfds_imdb_wiki.summary import summary
from tfds_imdb_wiki.writer import SHARD, write_split

_URL = "https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/static"

_PIECE = 64  # rows that a thread takes at a time

_DESCRIPTION = """
Faces of IMDB and Wikipedia celebrities with age and gender (Rothe, Timofte, Van Gool, "Deep
expectation of real and apparent age from a single image without facial landmarks", IJCV 2018), the
official crops with their 40% margin. Splits are exclusive by person. For academic research only.
"""

_CITATION = """
@article{Rothe-IJCV-2018,
  author = {Rasmus Rothe and Radu Timofte and Luc Van Gool},
  title = {Deep expectation of real and apparent age from a single image without facial landmarks},
  journal = {International Journal of Computer Vision},
  volume = {126}, number = {2-4}, pages = {144--157}, year = {2018}
}
"""


@dataclasses.dataclass
class ImdbWikiConfig(tfds.core.BuilderConfig):
    """Which archives, and the lowest face score that is kept."""

    archives: tuple[str, ...] = ()
    min_face_score: float = 1.0


class ImdbWiki(tfds.core.GeneratorBasedBuilder):
    """IMDB-WIKI face crops; records of each split stand sorted by `path`.

    Beside the records it writes `drop_report.json` (rows, kept, dropped by reason), `dropped.csv`
    (a line per dropped path), `archives.json` (what it was built from) and `columns-SPLIT.npz`: all
    features but the image, the SHA-256 of each stored image, and where in its record it begins, so
    that filters and look-ups need not read the images, and reading one needs no parser.
    """

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {
        "2.0.0": "Images of over 512 pixels are scaled down by the JPEG's decoder first.",
        "1.1.0": "columns-SPLIT.npz tells where in its record each image stands.",
        "1.0.0": "First release.",
    }
    BUILDER_CONFIGS = [
        ImdbWikiConfig(name="imdb", description="IMDB, 460,723 crops", archives=("imdb",)),
        ImdbWikiConfig(name="wiki", description="Wikipedia, 62,328 crops", archives=("wiki",)),
        ImdbWikiConfig(name="imdb_wiki", description="Both", archives=("imdb", "wiki")),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
    Put imdb_crop.tar and/or wiki_crop.tar (or the folders that they unpack to) into the manual
    folder. They are at {_URL}/imdb_crop.tar (7 GB) and {_URL}/wiki_crop.tar (1 GB).
    """

    # Shown around each split's rows: `progress(rows, total=, desc=)`, tqdm for one.
    progress: Callable[..., Iterable] = staticmethod(lambda rows, **_: rows)
    workers: int = os.cpu_count() or 1

    def __init__(self, **kwargs):
        """Takes what `tfds.core.GeneratorBasedBuilder` takes; the format is array_record always."""
        super().__init__(**kwargs | {"file_format": "array_record"})

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
                "age": np.int64,
                "gender": tfds.features.ClassLabel(names=["female", "male"]),
                "face_score": np.float32,
                "second_face_score": np.float32,  # NaN: no second face
                "person": tfds.features.Text(),
                "photo_year": np.int64,
                "path": tfds.features.Text(),
            }
        )
        return self.dataset_info_from_configs(
            features=features,
            supervised_keys=("image", "age"),
            homepage="https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/",
            citation=_CITATION,
            description=_DESCRIPTION,
            disable_shuffling=True,  # the order is ours: by path
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        self._rows = 0
        self._dropped: list[tuple[str, str]] = []
        self._columns: dict[str, dict[str, list]] = {}
        self._archives: dict[str, dict[str, Any]] = {}
        self._sources: list[Path] = []
        self._painted = True
        splits: dict[str, list[Candidate]] = {split: [] for split in SPLITS}
        for kind in self.builder_config.archives:
            with mat_reader(kind) as read:
                archive = self._archive(dl_manager, kind)
                data = _mat(archive, kind)
                mat = read(data, f"{archive.path}/{kind}.mat")
            self._sources.append(archive.path)
            self._painted &= data.startswith(PAINTED)
            for candidate in self._candidates(archive, kind, mat):
                splits[split_of(candidate.label["person"])].append(candidate)
        generate = self._generate_examples if self._by_beam is None else self._pipeline
        return {
            split: generate(split, sorted(rows, key=lambda row: row.path))
            for split, rows in splits.items()
        }

    def _generate_splits(self, dl_manager, download_config) -> list[tfds.core.SplitInfo]:
        if self._by_beam is not None or download_config.num_shards:
            return super()._generate_splits(dl_manager, download_config)
        most = download_config.max_examples_per_split
        return [
            write_split(
                (example for _, example in itertools.islice(examples, most)),
                self._get_filename_template(split_name=split),
                min(SHARD, download_config.max_shard_size),
            )
            for split, examples in self._split_generators(dl_manager).items()
        ]

    def _archive(self, dl_manager: tfds.download.DownloadManager, kind: str) -> Archive:
        try:
            manual_dir = Path(dl_manager.manual_dir)
        except AssertionError:  # TFDS's error for a folder that does not exist
            manual_dir = Path(dl_manager._manual_dir)
        if path := find_archive(manual_dir, kind):
            self._archives[kind] = fingerprint(path, kind)
            return Archive(path)
        url = f"{_URL}/{kind}_crop.tar"
        try:
            urllib.request.urlopen(url, timeout=20).close()  # TFDS would try for minutes
            return Archive(Path(dl_manager.download(url)))
        except Exception as error:  # a download fails in as many ways as there are networks
            raise UserError(
                f"{manual_dir}: holds neither {kind}_crop.tar nor {kind}_crop/{kind}.mat, and "
                f"{url} could not be downloaded ({type(error).__name__}); fetch that file by other "
                f"means and put it there, or name another folder with --manual_dir"
            ) from error

    def _candidates(self, archive: Archive, kind: str, mat: Columns) -> Iterator[Candidate]:
        """The rows with usable labels; the reasons of the others are recorded."""
        reasons, ages = drop_reasons(mat, self.builder_config.min_face_score)
        people = person_ids(mat, kind)
        self._rows += len(reasons)
        columns = zip(
            reasons.tolist(),
            mat["full_path"].tolist(),
            ages.tolist(),
            (mat["gender"] == 1).astype(int).tolist(),
            mat["face_score"].tolist(),
            mat["second_face_score"].tolist(),
            people.tolist(),
            mat["photo_taken"].tolist(),
            strict=True,
        )
        for reason, name, age, gender, score, second, person, year in columns:
            path = f"{kind}_crop/{name}"
            if reason:
                self._dropped.append((path, reason))
                continue
            label = {
                "age": age,
                "gender": gender,
                "face_score": np.float32(score),
                "second_face_score": np.float32(second),
                "person": person,
                "photo_year": year,
                "path": path,
            }
            yield Candidate(path, label, archive, name)

    def _generate_examples(self, split: str, rows: list[Candidate]) -> Iterator[tuple[int, dict]]:
        columns = self._columns[split] = collections.defaultdict(list)
        pieces = [rows[i : i + _PIECE] for i in range(0, len(rows), _PIECE)]
        with ThreadPoolExecutor(self.workers) as pool:
            read = in_order(pool, stored_images, pieces, ahead=2 * self.workers)
            images = itertools.chain.from_iterable(read)
            shown = self.progress(zip(rows, images, strict=True), total=len(rows), desc=split)
            for key, (row, (image, digest)) in enumerate(shown):
                if isinstance(image, str):
                    self._dropped.append((row.path, image))
                    continue
                add_row(columns, row.label, digest, len(image))
                yield key, {"image": image, **row.label}
        self._check_not_empty(split)

    def _pipeline(self, split: str, rows: list[Candidate]) -> Any:
        """The same as a Beam transform; `_read_notes` then reads its results."""
        from tfds_imdb_wiki import pipeline

        assert self._by_beam is not None
        self._by_beam[split] = rows
        given = [pipeline.Row(key, row.piece(), row.label) for key, row in enumerate(rows)]
        return pipeline.Split(split, given, Path(self.data_dir))

    def _read_notes(self, folder: Path) -> None:
        if not self._by_beam:
            return
        from tfds_imdb_wiki import pipeline

        for split, rows in self._by_beam.items():
            columns = self._columns[split] = collections.defaultdict(list)
            for key, reason, digest, length in pipeline.read_notes(folder, split):
                if reason:
                    self._dropped.append((rows[key].path, reason))
                else:
                    add_row(columns, rows[key].label, digest, length)
            self._check_not_empty(split)

    def _check_not_empty(self, split: str) -> None:
        if not self._columns[split]["age"]:
            why = "".join(self._without_images()) or "give it more faces of more people; "
            raise UserError(
                f"split {split!r} would be empty: {why}only "
                f"{self._rows - len(self._dropped):,} of {self._rows:,} rows are good"
            )

    def _without_images(self) -> Iterator[str]:
        """Counts and examples of missing and damaged image files, and where they belong."""
        kinds = {"missing_file": "missing", "undecodable": "damaged", "too_small": "too small"}
        for reason, kind in kinds.items():
            files = sorted(path for path, why in self._dropped if why == reason)
            if files:
                some = ", ".join(files[:3]) + (", ..." if len(files) > 3 else "")
                yield f"{len(files):,} image files are {kind} ({some}); "
        if any(why == "missing_file" for _, why in self._dropped):
            yield f"they should lie in {' and '.join(map(files_home, self._sources))}; "

    def _download_and_prepare(self, dl_manager, download_config) -> None:
        by_beam = download_config.beam_runner or download_config.beam_options
        self._by_beam: dict[str, list[Candidate]] | None = {} if by_beam else None
        super()._download_and_prepare(dl_manager, download_config)
        folder = Path(self.data_dir)  # TFDS renames it to its final name once this returns
        self._read_notes(folder)
        counts = collections.Counter(reason for _, reason in self._dropped)
        report = {
            "rows": self._rows,
            "kept": self._rows - len(self._dropped),
            "dropped": {reason: counts[reason] for reason in REASONS},
            "byte_identical": byte_identical(self._columns),
            "min_face_score": self.builder_config.min_face_score,
            "painted": self._painted,
        }
        for name, told in (("drop_report", report), ("archives", self._archives)):
            text = json.dumps(told, indent=2) + "\n"
            (folder / f"{name}.json").write_text(text, encoding="utf-8")
        with open(folder / "dropped.csv", "w", newline="", encoding="utf-8") as file:
            writer = CsvWriter(file, ("path", "reason"))
            writer.writeheader()
            writer.writerows({"path": path, "reason": why} for path, why in sorted(self._dropped))
        for split, columns in self._columns.items():
            records = Records(shards_of(folder, split), len(columns["path"]))
            columns["image_start"] = image_starts(records, columns, self.workers)
            np.savez_compressed(
                folder / f"columns-{split}.npz",
                **{k: np.array(v) for k, v in columns.items()},  # type: ignore[arg-type]
            )
        print(summary(folder))


def _mat(archive: Archive, kind: str) -> bytes:
    data = archive.read(f"{kind}.mat")
    if data is None:
        raise UserError(f"{archive.path}: there is no {kind}.mat in it; fetch it again")
    return data
