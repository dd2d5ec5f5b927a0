"""The galleries of a report: the best and the worst predictions."""

import base64
import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from agejax.data.decode import BadImage, decode
from agejax.data.faces import Faces
from agejax.errors import UserError
from agejax.labels import GENDERS
from agejax.metrics.masked_sums import off
from agejax.reports.evaluation import Evaluation
from agejax.reports.markup import Markup, el
from agejax.reports.strip import strip

_SIDE = 160  # pixels of a thumbnail


def worth_a_look(evaluation: Evaluation, count: int) -> dict[str, np.ndarray]:
    """{title of a gallery: rows of its faces}, at most `count` each.

    The closest predictions are taken from `count` groups of equal size by true age, one from each;
    the closest overall would mostly be of a single age.
    """
    arrays = evaluation.arrays
    known = np.flatnonzero(arrays["age_known"])
    error = np.abs(off(evaluation.ages[1], arrays["age_label"], evaluation.last_age))
    by_age = known[np.argsort(arrays["age_label"][known], kind="stable")]
    parts = [part for part in np.array_split(by_age, count) if len(part)]
    found = {
        "Largest age error": known[np.argsort(-error[known], kind="stable")][:count],
        "Smallest age error, from the youngest to the oldest": np.array(
            [part[error[part].argmin()] for part in parts], int
        ),
    }
    if "gender_probabilities" in arrays:
        p, label = arrays["gender_probabilities"], arrays["gender_label"]
        wrong = np.flatnonzero(arrays["gender_known"] & (p.argmax(1) != label))
        surest = wrong[np.argsort(-p[wrong].max(1), kind="stable")][:count]
        found["Most confident in the wrong gender"] = surest
    return {name: rows for name, rows in found.items() if len(rows)}


def thumbnails(faces: Faces, paths: np.ndarray) -> dict[str, str]:
    """{path: a small JPEG as a data: URL}.

    Raises:
      UserError: a path is not among the faces, or its image cannot be read.
    """
    at = {path: row for row, path in enumerate(faces.path.tolist())}
    if missing := [path for path in paths.tolist() if path not in at]:
        raise UserError(f"{missing[0]} was evaluated but is no longer in the data; evaluate again")
    rows = np.array([at[path] for path in paths.tolist()], int)
    jpegs = faces.read(faces.rows[rows])
    try:
        return {p: _url(decode(j, _SIDE)) for p, j in zip(paths.tolist(), jpegs, strict=True)}
    except BadImage as error:
        raise UserError(f"a face cannot be read: {error}; build the data again") from error


def gallery(evaluation: Evaluation, rows: np.ndarray, pictures: Mapping[str, str]) -> Markup:
    """Faces with their predicted and true labels."""
    return el("ul", (_face(evaluation, int(row), pictures) for row in rows), class_="faces")


def _face(evaluation: Evaluation, row: int, pictures: Mapping[str, str]) -> Markup:
    arrays = evaluation.arrays
    low, age, high = (float(of[row]) for of in evaluation.ages)
    path, true, last = (
        str(arrays["path"][row]),
        *(int(of[row]) for of in (arrays["age_label"], evaluation.last_age)),
    )
    exact = bool(arrays["age_known"][row]) and true == last
    truth = str(true) if exact else f"{true}–{last}" if arrays["age_known"][row] else "unknown"
    guess, wrong = f"{age:.0f}", False
    if "gender_probabilities" in arrays:
        p = arrays["gender_probabilities"][row]
        guess = f"{GENDERS[int(p.argmax())]}/{guess}"
        if arrays["gender_known"][row]:
            wrong = bool(p.argmax() != arrays["gender_label"][row])
            truth = f"{GENDERS[int(arrays['gender_label'][row])]}/{truth}"
    return el(
        "li",
        el("img", src=pictures[path], alt=f"a face, predicted {guess}, is {truth}", title=path),
        strip(100, age, (low, high), truth=true if exact else None),
        el("b", guess, class_="wrong" if wrong else None),
        el("span", f"{low:.0f}–{high:.0f}", class_="soft"),
        el("span", f"is {truth}", class_="truth"),
    )


def _url(pixels: np.ndarray) -> str:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
