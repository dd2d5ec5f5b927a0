"""What is written of a model or of faces: reports, artefacts, audits of labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ml_collections import ConfigDict

from agejax.api.arguments import config_of, path_of
from agejax.auditing import run as auditing
from agejax.auditing.summary import audited_labels, audited_tasks
from agejax.errors import UserError
from agejax.exporters import formats
from agejax.figures import Artefact, Audited
from agejax.reports.write import write_report
from agejax.utils.notes import printed
from agejax.utils.paths import AnyPath


def report(
    run: AnyPath,
    *,
    split: str = "test",
    checkpoint: str | int | None = None,
    attributes: AnyPath | None = None,
    faces: int = 12,
    out: AnyPath | None = None,
    progress: bool = False,
) -> Path:
    """Writes a run's evaluation as one HTML page, and returns where; evaluates first if needed.

    Args:
      run: the folder.
      split: whose evaluation.
      checkpoint: "best", "latest" or a step; None: the one that was evaluated.
      attributes: a CSV of `path` and other columns, to show figures by group.
      faces: how many of the best and worst are shown; 0 leaves faces out, and needs no data.
      out: the file; None: `eval/SPLIT.html` in the run.
      progress: prints notes and shows a progress bar.

    Raises:
      UserError: there is no run, it cannot be evaluated, or its data are not there.
    """
    if faces < 0:
        raise UserError(f"faces is {faces}; it must be at least 0")
    with printed(progress):
        return write_report(
            path_of(run),
            split,
            checkpoint=None if checkpoint is None else str(checkpoint),
            attributes=None if attributes is None else path_of(attributes),
            faces=faces,
            out=None if out is None else path_of(out),
        )


def export(
    run: AnyPath | None,
    to: formats.To,
    out: AnyPath | None = None,
    *,
    checkpoint: str | int = "best",
    margin: float | None = None,
    ort: AnyPath | None = None,
    dtype: Literal["float16", "float32"] | None = None,
    tasks: Sequence[str] = (),
    licence: str | None = None,
    progress: bool = False,
) -> Artefact:
    """Writes a model for another runtime, checked in that runtime before it is left behind.

    Args:
      run: the folder, or a file of weights; None for the weights that come with agejax.
      to: "onnx", "stablehlo"; "web": a page that reads faces in the browser; or "weights": one file
        of safetensors, which `agejax.load` and the commands take like a run.
      out: the file, for "web" the folder; None: in `export/` of the run, of a file of weights in
        `export/` of the current folder.
      checkpoint: "best", "latest" or a step.
      margin: what crops show beyond the face on each side, as a share of it; None: the run's own.
      ort: for "web": the unpacked npm package onnxruntime-web; None: npm is asked for it.
      dtype: for "weights": "float16", the default, or "float32".
      tasks: those to keep, such as ("age", "gender"); empty for all.
      licence: of the training data, to be recorded where the run does not know it.
      progress: prints notes and shows a progress bar.

    Raises:
      UserError: there is no such run, what is needed is not installed, or the file gives other
        probabilities than the checkpoint.
    """
    with printed(progress):
        place, _, found = formats.export(
            None if run is None else path_of(run),
            to,
            None if out is None else path_of(out),
            checkpoint=str(checkpoint),
            margin=margin,
            ort=None if ort is None else path_of(ort),
            dtype=dtype,
            tasks=(tasks,) if isinstance(tasks, str) else tuple(tasks),
            licence=licence,
        )
    return Artefact(place, found.faces, found.kind, found.probability, found.years)


def audit(
    source: AnyPath | None = None,
    *,
    config: ConfigDict | AnyPath | None = None,
    split: str = "all",
    checkpoint: AnyPath | None = None,
    root: AnyPath | None = None,
    out: AnyPath | None = None,
    sheet: AnyPath | None = None,
    faces: int = 500,
    good: AnyPath | None = None,
    above: float = 0.5,
    seed: int = 0,
    progress: bool = False,
) -> Audited:
    """Finds the labels that are probably wrong; nothing is left out unless `good` asks for it.

    Args:
      source: a table, a folder that `agejax pack` wrote, a built data set, or the folder of the
        folds that `agejax train --folds` trained.
      config: whose data is audited, in place of `source`; or its file.
      split: "all", or the name of one.
      checkpoint: a run, or a file of weights, whose features are used; None for those that come
        with agejax.
      root: the folder that the table's paths start from; None for its own.
      out: a CSV of all labels; the features are kept beside it, for later calls.
      sheet: a page to look through the faces and tick the wrong labels.
      faces: how many labels are in that page.
      good: a CSV, the table again without the labels that are wrong.
      above: a label counts as wrong with a probability above this.
      seed: of the small networks.
      progress: prints notes and shows progress bars.

    Raises:
      UserError: there is no such data or checkpoint, or no label is known.
    """
    if not 0 <= above <= 1 or faces < 1 or seed < 0:
        raise UserError(
            f"above is {above}, faces is {faces}, seed is {seed}; they must be from 0 to 1, 1 or "
            f"more, and 0 or more"
        )
    table, csv, page, kept = (
        None if path is None else path_of(path) for path in (source, out, sheet, good)
    )
    with printed(progress):
        auditing.check_places(table, csv, kept)
        result = auditing.audited(
            table,
            None if config is None else config_of(config),
            split,
            checkpoint=None if checkpoint is None else path_of(checkpoint),
            root=None if root is None else str(path_of(root)),
            out=csv,
            seed=seed,
        )
        auditing.write(result, csv, page, faces)
        if kept is not None and table is not None:
            base = None if root is None else str(path_of(root))
            auditing.write_good(result, table, base, kept, above)
    return Audited(audited_tasks(result, above), audited_labels(result))
