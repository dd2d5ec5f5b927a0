"""Writes a report: a single HTML file without scripts and without network requests."""

import datetime
from pathlib import Path

import numpy as np

from agejax.config import network
from agejax.errors import UserError, first_line
from agejax.evaluation.open_split import open_split
from agejax.reports import sections, tasks
from agejax.reports.card import model_card
from agejax.reports.document import anchor, document, section
from agejax.reports.evaluation import Evaluation, open_evaluation
from agejax.reports.faces import thumbnails, worth_a_look
from agejax.reports.markup import Markup, el
from agejax.reports.section import Section
from agejax.reports.thresholds import thresholds
from agejax.training.loggers.writers import write_text
from agejax.utils.files import within


def write_report(
    workdir: Path,
    split: str = "test",
    *,
    checkpoint: str | None = None,
    attributes: Path | None = None,
    faces: int = 12,
    out: Path | None = None,
) -> Path:
    """Writes the report of a run's evaluation and returns its path.

    Args:
      workdir: the run.
      split: the evaluated split.
      checkpoint: "best", "latest" or a step; None: the evaluated one.
      attributes: a table of attributes to evaluate with; None: that of the last evaluation.
      faces: how many faces each gallery shows; 0 omits the galleries, and needs no data.
      out: the output file; `eval/SPLIT.html` by default.

    Raises:
      UserError: there is no run, it cannot be evaluated, or its data are missing.
    """
    evaluation = open_evaluation(workdir, split, checkpoint, attributes)
    pictures: dict[str, str] = {}
    if faces:
        shown = np.concatenate([*worth_a_look(evaluation, faces).values()])
        data = open_split(evaluation.config, split)
        pictures = thumbnails(data, np.unique(evaluation.arrays["path"][shown]))
    out = out or within(Path(workdir), "eval", *f"{split}.html".split("/"))
    try:
        html = page(evaluation, pictures, faces)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise UserError(
            f"{Path(workdir, 'eval', split)}.json is not a valid evaluation "
            f"({type(error).__name__}: {first_line(error)}); evaluate again (agejax evaluate)"
        ) from error
    write_text(out, html)
    return out


def page(evaluation: Evaluation, pictures: dict[str, str], faces: int) -> str:
    """The HTML of a report; `pictures` as returned by `thumbnails`, `faces` in each gallery."""
    figures = evaluation.figures
    parts = [
        tasks.ages(evaluation),
        *(tasks.other_task(task, evaluation) for task in sections.other_tasks(figures)),
        *([thresholds(figures)] if figures["thresholds"] else []),
        sections.groups(figures),
        *([sections.faces(evaluation, pictures, faces)] if pictures else []),
        sections.training(evaluation),
        sections.data(figures),
        Section("Model card", model_card(evaluation)),
        sections.settings(figures),
    ]
    title = f"{evaluation.name}: age and gender, {figures['split']}"
    header = _header(evaluation, [part.title for part in parts])
    body = map(section, parts)
    return document(title, el("main", header, sections.summary(figures), body, _footer()))


def _header(evaluation: Evaluation, titles: list[str]) -> Markup:
    figures, config = evaluation.figures, evaluation.config
    people = f" of {figures['persons']:,} persons" if figures["persons"] else ""
    title = figures["data"]["about"].get("title", "")
    return el(
        "header",
        el("p", "agejax report", class_="eyebrow"),
        el("h1", evaluation.name),
        el(
            "p",
            f"{network(config)} at {config.data.size} pixels, step "
            f"{figures['step']:,}, evaluated on {figures['n']:,} faces{people} of the "
            f"{figures['split']} split{f' of {title}' if title else ''}.",
            class_="lead",
        ),
        el(
            "p",
            "A predicted age is an estimate of how old a face looks. It is not a basis for "
            "decisions about a person.",
            class_="caution",
        ),
        el("nav", (el("a", title, href=f"#{anchor(title)}") for title in titles)),
    )


def _footer() -> Markup:
    day = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    text = "The figures are from the evaluation's JSON file of the same name."
    return el("footer", f"Written by agejax report, {day}. {text}")
