"""Draws a contact sheet: faces with their predicted and true labels."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict
from PIL import Image, ImageDraw, ImageFont

from agejax.data.decode import decode
from agejax.data.faces import Faces
from agejax.evaluation.open_split import open_split
from agejax.inference.prediction import Prediction
from agejax.inference.predictor import load
from agejax.labels import GENDERS
from agejax.utils.files import replacing, within

_INK, _PAPER, _BAND, _MARK, _TRUE = "#1f2933", "#ffffff", "#cfe3f5", "#1f6fb2", "#d9480f"


Truth = tuple[tuple[int, int] | None, int | None]


def picture_of_run(
    config: ConfigDict, workdir: Path, faces: int = 24, *, trust: Collection[str] = ()
) -> Path:
    """Predicts some faces of `config.eval.split` and writes `eval/SPLIT.png`; returns that path.

    `trust` is as of `agejax.checkpoints.run_dir.of_the_run`.
    """
    some = open_split(config, config.eval.split)
    rows = np.linspace(0, len(some) - 1, min(faces, len(some))).astype(int)
    which = str(config.eval.checkpoint)
    predictor = load(workdir, which, batch_size=len(rows), trust=trust)
    jpegs = some.read(some.rows[rows])
    predictions = predictor.predict(np.stack([decode(jpeg, predictor.size) for jpeg in jpegs]))
    truth = [_truth(some, i) for i in rows]
    file = within(Path(workdir), "eval", *f"{config.eval.split}.png".split("/"))
    draw_predictions(file, [decode(jpeg, 160) for jpeg in jpegs], predictions, truth)
    return file


def draw_predictions(
    file: Path,
    faces: Sequence[np.ndarray],
    predictions: Sequence[Prediction],
    truth: Sequence[Truth],
    columns: int = 6,
    side: int = 160,
) -> None:
    """Writes a PNG: each face, its predicted and true label, and the age with its interval.

    Args:
      file: the output file.
      faces: uint8 [h, w, 3] each.
      predictions: one for each face.
      truth: (first and last year of the age, gender code) of each; None if unknown.
      columns: faces per row.
      side: side of a face in pixels.
    """
    cell = (side + 24, side + 76)
    rows = -(-len(faces) // columns)
    sheet = Image.new("RGB", (columns * cell[0], rows * cell[1] + 30), _PAPER)
    draw = ImageDraw.Draw(sheet)
    fonts = ImageFont.load_default(17), ImageFont.load_default(12)
    for i, (face, prediction, (ages, gender)) in enumerate(
        zip(faces, predictions, truth, strict=True)
    ):
        x, y = i % columns * cell[0] + 12, i // columns * cell[1] + 12
        picture = Image.fromarray(face).resize((side, side), Image.Resampling.BICUBIC)
        sheet.paste(picture, (x, y))
        right = gender is None or prediction.gender == GENDERS[gender]
        label = f"{prediction.gender}/{prediction.age:.0f}"
        draw.text((x, y + side + 4), label, _INK if right else _TRUE, fonts[0])
        is_ = f"is {'?' if gender is None else GENDERS[gender]}/{_years(ages)}"
        draw.text((x + side, y + side + 8), is_, _TRUE, fonts[1], anchor="ra")
        at = lambda years, x=x: x + years / 100 * side
        line = y + side + 36
        draw.line([at(0), line, at(100), line], "#d8dee4", 2)
        draw.line([at(prediction.age_low), line, at(prediction.age_high), line], _BAND, 9)
        draw.line([at(prediction.age), line - 6, at(prediction.age), line + 6], _MARK, 3)
        if ages is not None:
            draw.ellipse([at(ages[0]) - 3, line - 3, at(ages[1]) + 3, line + 3], _TRUE)
    legend = "blue: predicted age and its 90% interval, on 0 to 100 years; orange: the truth"
    draw.text((12, sheet.height - 26), legend, _INK, fonts[1])
    with replacing(file) as beside:
        sheet.save(beside, "PNG")


def _truth(faces: Faces, i: int) -> Truth:
    first = faces.labels["age"]
    ages = int(first[i]), int(faces.upto.get("age", first)[i])
    gender = "gender" in faces.labels and faces.known["gender"][i]
    return (
        ages if faces.known["age"][i] else None,
        int(faces.labels["gender"][i]) if gender else None,
    )


def _years(ages: tuple[int, int] | None) -> str:
    if ages is None:
        return "?"
    return str(ages[0]) if ages[0] == ages[1] else f"{ages[0]}-{ages[1]}"
