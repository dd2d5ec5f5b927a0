"""What a face's roll and its size in a photo cost: readings beside those of the crop itself.

    python benchmarks/photos.py RUN --faces faces.csv [--margin 0.0] [--most 100]

Each crop is pasted into a synthetic photo at its own size, turned by a known angle, and level in
known sizes. The photo is read as `agejax predict` reads photos: the detector finds the face, which
is cut with the run's margin. "before" is the same without O-Net's landmarks: the crop is placed by
the detector's box and not turned, and photos without faces are not searched again. Columns: the
share of photos in which exactly one face is found; the mean absolute difference in years to the
reading of the crop itself, over the faces found on both sides; the mean error against the label (0
inside a group such as 20-29).

faces.csv has the columns path (relative to it) and age (a number, or a group such as 3-9), and may
have split, of which test is read.
"""

import argparse
import csv
import dataclasses
import math
import re
from pathlib import Path

import cv2
import numpy as np

import agejax
from agejax.data.decode import canonical, decode, photo
from agejax.data.face_detection import Detector
from agejax.inference.face_crop import crop

ROLLS = (-45, -30, -15, 0, 15, 30, 45)
SIZES = (24, 32, 48, 64, 96, 128, 200)
SHAPE = 640, 480  # width and height of the photos
USUAL = 160  # pixels of the face where it is the roll that varies


class Before(Detector):
    """The detector without landmarks: a face is cut by its box alone."""

    def find(self, pixels):
        return [dataclasses.replace(box, landmarks=()) for box in super().find(pixels)]

    def _aligned(self, pixels, boxes):
        return boxes

    def _searched_turned(self, pixels):
        return np.zeros((0, 15))


def pasted(face, roll, side, rng):
    """A photo: a smooth backdrop with the turned crop on it."""
    backdrop = rng.integers(60, 190, (6, 8, 3), np.uint8)
    backdrop = cv2.resize(backdrop, SHAPE, interpolation=cv2.INTER_CUBIC)
    shrunk = max(side, face.shape[0] // max(1, face.shape[0] // side))
    if shrunk < face.shape[0]:
        face = cv2.resize(face, (shrunk, shrunk), interpolation=cv2.INTER_AREA)
    scale, middle = side / face.shape[0], rng.uniform(0.4, 0.6, 2) * SHAPE
    turn = cv2.getRotationMatrix2D(((face.shape[1] - 1) / 2,) * 2, -roll, scale)
    turn[:, 2] += middle - (face.shape[0] - 1) / 2
    opaque = cv2.warpAffine(np.ones(face.shape[:2], np.float32), turn, SHAPE)[..., None]
    mixed = cv2.warpAffine(face, turn, SHAPE) + backdrop * (1 - opaque)
    return mixed.clip(0, 255).astype(np.uint8)


def off(age, label):
    """Years between a reading and a label, or the nearest age of a group."""
    ages = [float(n) for n in re.findall(r"\d+", label)]
    high = ages[-1] + 0.999 if len(ages) > 1 else ages[-1]
    high = math.inf if "more" in label or "+" in label else high
    return max(ages[0] - age, age - high, 0.0)


def faces_of(file, most):
    """[(crop's JPEG, label)] of test rows, evenly spaced."""
    with open(file, newline="") as rows:
        rows = [row for row in csv.DictReader(rows) if row.get("split") in (None, "test")]
    picked = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))
    return [((file.parent / rows[i]["path"]).read_bytes(), rows[i]["age"]) for i in picked]


class Comparison:
    """Reads crops in photos, with and without levelling."""

    def __init__(self, run, faces, margin):
        self.model = agejax.load(run, margin=margin)
        self.labels = [label for _, label in faces]
        self.pixels = [photo(jpeg, 512) for jpeg, _ in faces]
        crops = [decode(canonical(jpeg), self.model.size) for jpeg, _ in faces]
        self.own = self.ages(crops)
        self.detectors = Before(), Detector()

    def ages(self, crops):
        return np.array([face.age for face in self.model.predict(np.stack(crops))])

    def cut(self, roll, face_size):
        """For each side, {face: crop}."""
        side, sides = round(face_size * (1 + 2 * self.model.margin)), ({}, {})
        for i, pixels in enumerate(self.pixels):
            image = pasted(pixels, roll, side, np.random.default_rng(i))
            for crops, detector in zip(sides, self.detectors, strict=True):
                boxes = detector.find(image)
                if len(boxes) == 1:
                    crops[i] = crop(image, boxes[0], self.model.margin, self.model.size)
        return sides

    def row(self, title, roll, face_size):
        """A row of a table."""
        sides = self.cut(roll, face_size)
        both = sorted(sides[0].keys() & sides[1].keys())
        found, apart, errors = [], [], []
        for crops in sides:
            found.append(f"{len(crops) / len(self.pixels):.0%}")
            if not both:
                apart.append("-")
                errors.append("-")
                continue
            ages = self.ages([crops[i] for i in both])
            apart.append(f"{np.abs(ages - self.own[both]).mean():.2f}")
            labels = [self.labels[i] for i in both]
            errors.append(f"{np.mean([off(*pair) for pair in zip(ages, labels, strict=True)]):.2f}")
        cells = (title, len(both), *(f"{a} / {b}" for a, b in (found, apart, errors)))
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--most", type=int, default=100, help="faces (100)")
    parser.add_argument("--margin", type=float, help="in place of the run's")
    args = parser.parse_args()
    faces = faces_of(args.faces, args.most)
    comparison = Comparison(args.run, faces, args.margin)
    errors = [off(age, label) for age, (_, label) in zip(comparison.own, faces, strict=True)]
    print(f"{len(faces)} faces; error of the crops themselves: {np.mean(errors):.2f} years")
    head = "n | found, before / after | difference to the crop's reading | error |"
    for name, column in (("roll", ROLLS), ("face size", SIZES)):
        print(f"\n| {name} | {head}\n|---|---|---|---|---|")
        for value in column:
            roll, size = (value, USUAL) if name == "roll" else (0, value)
            comparison.row(f"{value}{'°' if name == 'roll' else ' px'}", roll, size)


if __name__ == "__main__":
    main()
