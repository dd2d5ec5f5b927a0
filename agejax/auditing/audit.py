"""Finds the labels that are probably wrong."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from agejax.auditing import suspicion
from agejax.auditing.duplicates import same_images
from agejax.auditing.features import Features
from agejax.auditing.folds import assign_folds
from agejax.auditing.head import out_of_fold
from agejax.auditing.labels import Labels, labels_of
from agejax.auditing.noise import Noise, fit_noise
from agejax.auditing.trained_folds import Predicted
from agejax.data.faces import Faces
from agejax.errors import UserError
from agejax.labels import quantile_age
from agejax.metrics.calibration import tempered
from agejax.utils.notes import note

_FEW = 500  # faces below which the trunk's features are too many to fit a network on
_FEWEST = 100  # faces below which nothing is fitted, and the model's own predictions are used


@dataclasses.dataclass(frozen=True)
class Task:
    """What was found out about the labels of a task; arrays are of all N faces.

    Attributes:
      labels: as given; those that are unknown were not audited.
      p: [N, classes], the calibrated predictions, each by a network that has not seen the face.
      noise: the estimated share of wrong labels, with the temperature.
      wrong: float [N], the probability that the label is wrong; 0 where it is unknown.
    """

    labels: Labels
    p: np.ndarray
    noise: Noise
    wrong: np.ndarray


@dataclasses.dataclass(frozen=True)
class Audit:
    """The result for N faces.

    Attributes:
      faces: whose labels were audited.
      tasks: {task: what was found}.
      image: int [N], equal for images that are the same, or nearly.
      person: int [N], a number for each person; different for all faces whose person is unknown.
      named: bool [N], whether the person is known.
      readable: bool [N], whether the image could be decoded.
    """

    faces: Faces
    tasks: Mapping[str, Task]
    image: np.ndarray
    person: np.ndarray
    named: np.ndarray
    readable: np.ndarray


def audit(
    faces: Faces, features: Features, seed: int = 0, predicted: Predicted | None = None
) -> Audit:
    """Audits all known labels of faces.

    Each face is predicted by a network fitted to the features of the other folds; no person and no
    image crosses folds. With fewer than 100 faces, or a single group of them, the predictions of
    the model itself are used.

    Args:
      faces: N faces with labels.
      features: of these faces.
      seed: of the networks.
      predicted: by the folds of a training, in place of the small networks; the features then only
        tell which images are the same.

    Raises:
      UserError: no label is known.
    """
    named = _named(faces)
    people = np.char.add("face ", np.arange(len(faces)).astype(str))
    people = people if faces.person is None else np.where(named, faces.person, people)
    _, person = np.unique(people, return_inverse=True)
    image = same_images(faces.sha256, features.small, features.trunk)
    readable = features.readable if predicted is None else features.readable & predicted.there
    read = features.read if predicted is None else predicted.read
    labels = {task: labels_of(faces, task, readable) for task in read}
    labels = {task: of for task, of in labels.items() if of.known.any()}
    if not labels:
        raise UserError("no face has an age or a gender, so that there is no label to audit")
    if predicted is None:
        fold = assign_folds(np.where(named, people, ""), image.astype(str))
        read = _predicted(features, labels, fold, seed)
    twice = _persons_of_one_image(image, person, named)
    tasks = {}
    for task, of in labels.items():
        p = np.asarray(read[task], np.float64)
        noise = fit_noise(p, of)
        p = tempered(p, noise.temperature)
        told = suspicion.with_same_image(p, of, noise, image, person)
        if task == "gender":
            told = suspicion.with_same_person(told, of, noise, person)
        tasks[task] = Task(of, p, noise, suspicion.p_wrong(told, of, noise, twice))
    return Audit(faces, tasks, image, person, named, readable)


def _predicted(
    features: Features, labels: Mapping[str, Labels], fold: np.ndarray, seed: int
) -> Mapping[str, np.ndarray]:
    if len(fold) < _FEWEST or len(set(fold.tolist())) < 2:
        note("few faces, or all connected by persons: read by the model itself, nothing is fitted")
        return {task: np.asarray(features.read[task], np.float64) for task in labels}
    return out_of_fold(standardised_inputs(features), labels, fold, seed)


def standardised_inputs(features: Features) -> np.ndarray:
    """float [N, F], standardised: the model's predictions and, if there are enough faces, features.

    Predictions enter as numbers in which small differences of age count more for children.
    """
    columns = []
    for task, p in features.read.items():
        p = p.astype(np.float64)
        if task == "age":
            low, middle, high = (np.sqrt(quantile_age(p, q) + 3) for q in (0.1, 0.5, 0.9))
            columns += [low, middle, high]
        else:
            columns.append(np.arctanh(np.clip(p[:, 1] - p[:, 0], -0.9999, 0.9999)))
    x = np.stack(columns, axis=1)
    if len(x) >= _FEW:
        x = np.concatenate([x, features.trunk], axis=1)
    spread = x.std(0)
    return (x - x.mean(0)) / np.maximum(spread, 0.1 * spread.mean() + 1e-6)


def _named(faces: Faces) -> np.ndarray:
    """bool [N]: whether the person is known; sources name unknown ones after the row or the path.

    See `agejax.data.own_faces.one_each` and `agejax.data.mixture`.
    """
    if faces.person is None:
        return np.zeros(len(faces), bool)
    return ~(np.char.startswith(faces.person, "unknown ") | (faces.person == faces.path))


def _persons_of_one_image(image: np.ndarray, person: np.ndarray, named: np.ndarray) -> np.ndarray:
    """float [N]: of an image under k persons, 1 - 1 / k: at most one of them can be right."""
    share = np.zeros(len(image))
    for rows in suspicion.groups(image):
        k = len(set(person[rows][named[rows]].tolist()))
        share[rows] = 1 - 1 / max(k, 1)
    return share
