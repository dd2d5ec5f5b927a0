"""Builds the data set without TensorFlow, and says what is in it."""

import functools
import json
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from tqdm.auto import tqdm

from agejax.errors import UserError
from tfds_imdb_wiki.archive import find_archive, fingerprint
from tfds_imdb_wiki.tfds_imdb_wiki_dataset_builder import ImdbWiki


def build(
    config: str, manual_dir: str | None, data_dir: str | None, overwrite: bool = False
) -> Path:
    """Builds what is not built yet.

    Args:
      config: "imdb", "wiki" or "imdb_wiki".
      manual_dir: where the archives lie; None is TFDS's `DATA_DIR/downloads/manual`.
      data_dir: where data sets are kept; None is TFDS's own, `~/tensorflow_datasets`.
      overwrite: build it again.

    Returns:
      The folder of the built data set.

    Raises:
      UserError: an archive is missing or damaged, or the config unknown.
    """
    if config not in ImdbWiki.builder_configs:
        known = ", ".join(ImdbWiki.builder_configs)
        raise UserError(f"there is no data set config {config!r}; there are {known}")
    tfds.disable_progress_bar()  # ours has an estimate of the time left
    builder = ImdbWiki(config=config, data_dir=data_dir)
    folder = Path(builder.data_dir)
    if folder.exists() and not overwrite:
        _check_same_archives(folder, manual_dir)
    else:
        if manual_dir is not None and not Path(manual_dir).is_dir():
            raise UserError(
                f"{manual_dir}: no such folder; --manual_dir names the archives' folder"
            )
        builder.progress = functools.partial(tqdm, unit="row", smoothing=0.05)
        mode = "reuse_cache_if_exists" if overwrite else "reuse_dataset_if_exists"
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(
                manual_dir=manual_dir, download_mode=tfds.GenerateMode(mode)
            )
        )
    return folder


def _check_same_archives(folder: Path, manual_dir: str | None) -> None:
    """Whoever names other archives than those that were built must not get these silently."""
    file = folder / "archives.json"
    if manual_dir is None or not file.exists():
        return
    for kind, theirs in json.loads(file.read_text()).items():
        path = find_archive(Path(manual_dir), kind)
        ours = fingerprint(path, kind) if path else theirs
        if ours["form"] == theirs["form"] and ours != theirs:
            raise UserError(
                f"{folder} was built from another {kind} archive than {path}; build this one into "
                f"another data_dir, or again with `python -m tfds_imdb_wiki build --overwrite`"
            )


def summary(folder: Path) -> str:
    """What a built data set holds, as text: drops by reason, rows, ages and genders by split."""
    report = json.loads((folder / "drop_report.json").read_text())
    lines = [f"{folder}", f"{report['rows']:>9,} rows", f"{report['kept']:>9,} kept"]
    lines += [f"{n:>9,} dropped: {reason}" for reason, n in report["dropped"].items()]
    same = report["byte_identical"]
    lines.append(
        f"{same['groups']:>9,} groups of byte-identical images are kept, "
        f"{same['of_different_ages']:,} of them under different ages"
    )
    decades = [f"{a}-{a + 9}" for a in range(0, 90, 10)] + ["90-100"]
    row = "{:<11}{:>9}{:>8}" + "{:>7}" * len(decades)
    lines += ["", row.format("split", "faces", "men", *decades)]
    for path in sorted(folder.glob("columns-*.npz"), key=lambda p: p.name.rpartition("-")):
        with np.load(path, allow_pickle=False) as columns:
            ages, gender = columns["age"], columns["gender"]
        counts = np.bincount(np.minimum(ages // 10, 9), minlength=10)
        cells = [f"{len(ages):,}", f"{gender.mean():.1%}", *(f"{n:,}" for n in counts)]
        lines.append(row.format(path.stem.removeprefix("columns-"), *cells))
    return "\n".join(lines)
