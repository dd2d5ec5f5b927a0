"""Builds the data set without TensorFlow."""

import contextlib
import functools
import json
import os
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from agejax.errors import UserError, first_line
from agejax.utils.notes import are_printed, bar
from agejax.utils.paths import home
from tfds_imdb_wiki.archive import find_archive, fingerprint
from tfds_imdb_wiki.summary import summary
from tfds_imdb_wiki.tfds_imdb_wiki_dataset_builder import ImdbWiki


def build(
    config: str,
    manual_dir: str | None,
    data_dir: str | None,
    overwrite: bool = False,
    describe: bool = False,
    beam_pipeline_options: str | None = None,
) -> Path:
    """Builds what is not built yet, and then prints what it holds.

    Args:
      config: "imdb", "wiki" or "imdb_wiki".
      manual_dir: where the archives lie; None is TFDS's `DATA_DIR/downloads/manual`.
      data_dir: where data sets are kept; None is TFDS's own, `~/tensorflow_datasets`.
      overwrite: build it again.
      describe: print what it holds also where it was built before.
      beam_pipeline_options: build by Apache Beam (the extra `beam`), with options such as
        "runner=DirectRunner,direct_num_workers=4,direct_running_mode=multi_processing".

    Returns:
      The folder of the built data set.

    Raises:
      UserError: an archive is missing or damaged, or the config unknown.
    """
    if config not in ImdbWiki.builder_configs:
        known = ", ".join(ImdbWiki.builder_configs)
        raise UserError(f"there is no data set config {config!r}; there are {known}")
    if data_dir is None and home() is None and "TFDS_DATA_DIR" not in os.environ:
        raise UserError("there is no home folder for ~/tensorflow_datasets; name a data_dir")
    tfds.disable_progress_bar()  # ours has an estimate of the time left
    builder = _builder(config, data_dir)
    folder = Path(builder.data_dir)
    if folder.exists() and not overwrite:
        _check_same_archives(folder, manual_dir)
        if describe:
            print(summary(folder))
    else:
        _build(builder, manual_dir, overwrite, beam_pipeline_options)
    return folder


def _build(
    builder: ImdbWiki, manual_dir: str | None, overwrite: bool, beam_pipeline_options: str | None
) -> None:
    if manual_dir is not None and not Path(manual_dir).is_dir():
        raise UserError(f"{manual_dir}: no such folder; --manual_dir names the archives' folder")
    builder.progress = functools.partial(bar, unit="row", smoothing=0.05)
    mode = "reuse_cache_if_exists" if overwrite else "reuse_dataset_if_exists"
    settings = tfds.download.DownloadConfig(
        manual_dir=manual_dir, download_mode=tfds.GenerateMode(mode)
    )
    if beam_pipeline_options is not None:
        settings.beam_options = _beam_options(beam_pipeline_options)
    # TFDS prints what it does.
    shown = contextlib.nullcontext() if are_printed() else contextlib.redirect_stdout(None)
    try:
        with shown:
            builder.download_and_prepare(download_config=settings)
    except FileExistsError:  # another process was done first; TFDS has removed ours
        if not Path(builder.data_dir).exists():
            raise


def _builder(config: str, data_dir: str | None) -> ImdbWiki:
    try:
        return ImdbWiki(config=config, data_dir=data_dir)
    except OSError:
        raise
    except Exception as error:  # TFDS and protobuf each have their own
        where = Path(data_dir or tfds.core.constants.DATA_DIR, "imdb_wiki", config)
        raise UserError(
            f"{where}: what describes the built data is damaged ({first_line(error)}); remove the "
            f"folder, and build it again"
        ) from error


def _beam_options(text: str) -> Any:
    try:
        from tfds_imdb_wiki import pipeline
    except ImportError as error:
        raise UserError(
            f"Apache Beam is needed ({error}): in an environment of its own, "
            f"pip install -c constraints-beam.txt -e '.[beam]'"
        ) from error
    return pipeline.options(text)


def _check_same_archives(folder: Path, manual_dir: str | None) -> None:
    """Whoever names other archives than those that were built must not get these silently."""
    file = folder / "archives.json"
    if manual_dir is None or not file.exists():
        return
    try:
        built = {kind: dict(of) for kind, of in json.loads(file.read_bytes()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{file} is damaged ({first_line(error)}); build the data again, with --overwrite"
        ) from error
    for kind, theirs in built.items():
        path = find_archive(Path(manual_dir), kind)
        ours = fingerprint(path, kind) if path else theirs
        if ours.get("form") == theirs.get("form") and ours != theirs:
            raise UserError(
                f"{folder} was built from another {kind} archive than {path}; build this one into "
                f"another data_dir, or again with `python -m tfds_imdb_wiki build --overwrite`"
            )
