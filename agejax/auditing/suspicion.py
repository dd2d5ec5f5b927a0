"""How probable it is that a label is wrong, by its face and by what other rows say.

A face with the truth t has the label t or, with probability `rate`, a wrong one. By Bayes' rule,
from the calibrated prediction p(t) of the face:

    P(wrong) = rate * wrong(label) * P(t is not the label) / all ways to get this label.

An age within `NEAR` years of the truth does not count as wrong here: no photo tells that. Others'
labels enter as factors of p(t) before that: those of the same image, and for genders those of the
same person.
"""

import numpy as np

from agejax.auditing.labels import Labels, mass
from agejax.auditing.noise import Noise
from agejax.labels import AGES, FEMALE, MALE

NEAR = 4  # years
_SAME_IMAGE = (0.4, 0.2, 0.1)  # right labels of one image that are 0, 1 and 2 years apart
_TINY = 1e-12
_OTHERS = np.log(50)  # nats that the other photos of a person can weigh, as they may be of another


def p_wrong(p: np.ndarray, labels: Labels, noise: Noise, twice: np.ndarray) -> np.ndarray:
    """float [N]: the probability that each label is wrong; 0 where it is unknown.

    Args:
      p: [N, classes], calibrated, with what other rows say.
      labels: their labels.
      noise: as fitted.
      twice: float [N], the least share of wrong labels among such rows, from 0 to 1: of an image
        under two persons, one half.
    """
    first, last, classes = labels.first, labels.last, p.shape[1]
    near = NEAR if classes == AGES else 0
    own = np.maximum(mass(p, first, last), _TINY)
    around = mass(p, np.maximum(first - near, 0), np.minimum(last + near, classes - 1))
    rate = np.maximum(noise.rate, twice)
    wrong = rate * mass(labels.wrong, first, last)
    return np.where(labels.known, wrong * np.clip(1 - around, 0, 1) / (wrong + (1 - rate) * own), 0)


def with_same_image(
    p: np.ndarray, labels: Labels, noise: Noise, image: np.ndarray, person: np.ndarray
) -> np.ndarray:
    """[N, classes]: predictions, with the labels of other rows of the same image.

    Rows that give one person the same label are copies of each other, and count once.

    Args:
      p: [N, classes], calibrated.
      labels: their labels.
      noise: as fitted.
      image: int [N], equal for rows of the same image.
      person: int [N].
    """
    found = p.copy()
    for rows in groups(image):
        together = p[rows].mean(0)
        key = np.stack([person[rows], labels.first[rows], labels.last[rows]], axis=1)
        copies = np.unique(key, axis=0, return_inverse=True)[1].reshape(-1)
        said = {
            int(copy): _said(labels, i, noise, p.shape[1])
            for copy, i in zip(copies, rows, strict=True)
        }
        total = np.sum(list(said.values()), axis=0)
        for copy, i in zip(copies, rows, strict=True):
            others = total - said[int(copy)]
            found[i] = _normalised(together * np.exp(others - others.max()))
    return found


def with_same_person(p: np.ndarray, labels: Labels, noise: Noise, person: np.ndarray) -> np.ndarray:
    """[N, 2]: predicted genders, with those that other photos of the person show and are given.

    Args:
      p: [N, 2], calibrated.
      labels: their labels.
      noise: as fitted.
      person: int [N].
    """
    shown = np.log(np.maximum(p[:, MALE], _TINY)) - np.log(np.maximum(p[:, FEMALE], _TINY))
    shown -= np.log(labels.common[MALE] / labels.common[FEMALE])
    # each photo may be of somebody else, each label wrong
    shown = _damped(shown, noise.rate)
    sure = np.log((1 - noise.rate / 2) / (noise.rate / 2))
    said = np.where(labels.known, np.where(labels.first == MALE, sure, -sure), 0)
    others = np.zeros(len(p))
    for rows in groups(person):
        for of in (shown, said):
            others[rows] += np.clip(of[rows].sum() - of[rows], -_OTHERS, _OTHERS)
    others = _damped(others, noise.rate)
    return _normalised(p * np.exp(np.stack([-others, others], axis=1) / 2))


def groups(key: np.ndarray) -> list[np.ndarray]:
    """The rows of each key that appears more than once."""
    order = np.argsort(key, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(key[order])) + 1)
    return [part for part in parts if len(part) > 1]


def _said(labels: Labels, i: int, noise: Noise, classes: int) -> np.ndarray:
    """log [classes]: how likely the label of a row is for each truth."""
    if not labels.known[i]:
        return np.zeros(classes)
    right, k = np.zeros(classes), np.arange(classes)
    apart = np.maximum(np.maximum(labels.first[i] - k, k - labels.last[i]), 0)
    if classes == AGES:
        for years, share in enumerate(_SAME_IMAGE):
            right[apart == years] = share
    else:
        right[apart == 0] = 1
    row = slice(i, i + 1)
    wrong = mass(labels.wrong, labels.first[row], labels.last[row])[0]
    return np.log((1 - noise.rate) * right + noise.rate * wrong)


def _damped(nats: np.ndarray, rate: float) -> np.ndarray:
    """Log odds of what is passed on with an error of `rate` / 2."""
    odds = 1 / (1 + np.exp(-nats))
    odds = (1 - rate) * odds + rate / 2
    return np.log(odds) - np.log1p(-odds)


def _normalised(p: np.ndarray) -> np.ndarray:
    return p / p.sum(-1, keepdims=True)
