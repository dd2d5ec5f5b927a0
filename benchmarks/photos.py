"""What a face's roll and its size in a photo cost, beside those of an upright, large face.

    python benchmarks/photos.py --manual_dir DIR [--most 500] [--json runs/photos.json]
    python benchmarks/photos.py RUN --faces faces.csv [--margin 0.0] [--before]

Each crop is pasted into a synthetic photo at its own size, turned by a known angle, and level in
known sizes. The photo is read as `agejax predict` reads photos: the detector finds the face, which
is cut with the run's margin. Columns: the share of photos in which exactly one face is found, and
in which several are; the mean error against the label (0 inside a group such as 20-29), over the
photos with one face; and how much larger it is than that of the same faces upright (of sizes: at
150 pixels), paired, with its 95% interval over persons. `--before`: the same without O-Net's
landmarks: the crop is placed by the detector's box and not turned, and photos without faces are not
searched again.

Yaw is not varied: the last table is of the upright photos, by how far the faces are turned to a
side, from their landmarks; its rows are of different faces, and not compared.

Without RUN the weights that come with agejax are read. The faces are the test split of `imdb`, or
those of faces.csv, which has the columns path (relative to it) and age (a number, or a group such
as 3-9), and may have split, of which test is read.
"""

import argparse
import csv
import dataclasses
import json
import math
import re
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

import agejax
from agejax import pretrained
from agejax.checkpoints.weights_file import contents_hash
from agejax.data.decode import canonical, photo
from agejax.data.face_detection import Detector
from agejax.data.imdb_wiki import imdb_wiki
from agejax.inference.face_crop import crop
from agejax.metrics.bootstrap import ratio_intervals

ROLLS = (-45, -30, -15, 0, 15, 30, 45)
SIZES = (24, 32, 48, 64, 96, 150)
SHAPE = 640, 480  # width and height of the photos
USUAL = 150  # pixels of the face where it is the roll that varies
YAWS = (0, 10, 20, 30, 90)  # degrees to either side, the ends of the rows
NOSE = 38 / 31.5  # its tip before the eyes, in halves of their distance: 38 mm of a usual face
TABLES = {"roll": (ROLLS, 0), "size": (SIZES, USUAL)}  # values, and the one to compare with


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


def yaw(landmarks):
    """Degrees by which a face is turned to a side: how far its nose is from between its eyes."""
    left, right, nose = np.array(landmarks[:3])
    across = (right - left) / 2  # half the distance of the eyes, as it is seen
    aside = np.dot(nose - (left + right) / 2, across) / np.dot(across, across)
    return math.degrees(math.atan(aside / NOSE))


@dataclasses.dataclass(frozen=True)
class Face:
    """A crop's JPEG, its age or group, and who it is."""

    jpeg: bytes
    label: str
    person: str


def faces_of_table(file):
    """The test rows of a table."""
    with open(file, newline="") as rows:
        rows = [row for row in csv.DictReader(rows) if row.get("split") in (None, "test")]
    return [Face((file.parent / row["path"]).read_bytes(), row["age"], row["path"]) for row in rows]


def faces_of_imdb(manual_dir, data_dir, most):
    """The test split of `imdb`, at most so many, evenly spaced."""
    faces = imdb_wiki("test", manual_dir=manual_dir, data_dir=data_dir)
    rows = evenly(len(faces), most)
    jpegs = faces.read(faces.rows[rows])
    labels = (faces.labels["age"][rows].astype(str), faces.person[rows])
    return [Face(jpeg, *of) for jpeg, *of in zip(jpegs, *labels, strict=True)]


def evenly(n, most):
    """Indices of at most so many of n, evenly spaced."""
    return np.unique(np.linspace(0, n - 1, min(most, n)).astype(int))


class Photos:
    """Reads crops in photos."""

    def __init__(self, run, faces, margin, detector):
        self.model, self.detector = agejax.load(run, margin=margin), detector
        self.labels = [face.label for face in faces]
        self.person = np.array([face.person for face in faces])
        self.pixels = [photo(canonical(face.jpeg), 512) for face in faces]

    def found(self, i, roll, size):
        """A photo of the i-th face, and the boxes that are found in it."""
        side = round(size * (1 + 2 * self.model.margin))
        image = pasted(self.pixels[i], roll, side, np.random.default_rng(i))
        return image, self.detector.find(image)

    def errors(self, roll, size):
        """float [N], years, NaN where not exactly one face is found; int [N], how many are."""
        crops, found = {}, []
        for i in range(len(self.pixels)):
            image, boxes = self.found(i, roll, size)
            found.append(len(boxes))
            if len(boxes) == 1:
                crops[i] = crop(image, boxes[0], self.model.margin, self.model.size)
        errors = np.full(len(self.pixels), np.nan)
        if crops:
            read = self.model.predict(np.stack([*crops.values()]))
            errors[[*crops]] = [
                off(face.age, self.labels[i]) for i, face in zip(crops, read, strict=True)
            ]
        return errors, np.array(found)

    def table(self, name):
        """The rows of a table, each a dict."""
        values, reference = TABLES[name]
        at = lambda value: (value, USUAL) if name == "roll" else (0, value)
        of = {value: self.errors(*at(value)) for value in values}
        return [self.row(value, *of[value], of[reference][0]) for value in values]

    def yaws(self):
        """The rows of the table by yaw."""
        errors, _ = self.errors(0, USUAL)
        degrees = np.full(len(errors), np.nan)
        for i in range(len(errors)):
            _, boxes = self.found(i, 0, USUAL)
            if len(boxes) == 1 and boxes[0].landmarks:
                degrees[i] = abs(yaw(boxes[0].landmarks))
        for low, high in pairwise(YAWS):
            of = (low <= degrees) & (degrees < high)
            row = {"from": low, "to": high, "n": int(of.sum()), "error": None, "interval": None}
            if of.sum() > 1:
                ones = np.ones((of.sum(), 1))
                [ends] = ratio_intervals(errors[of][:, None], ones, self.person[of])
                row |= {"error": float(errors[of].mean()), "interval": [float(end) for end in ends]}
            yield row

    def row(self, value, errors, found, reference):
        """A row: shares of photos, years."""
        both = ~np.isnan(errors) & ~np.isnan(reference)
        more = (errors - reference)[both]
        ends = [np.nan, np.nan]
        if len(more) > 1:
            [ends] = ratio_intervals(more[:, None], np.ones((len(more), 1)), self.person[both])
        finite = lambda x: None if np.isnan(x) else float(x)
        return {
            "value": value,
            "found": float((found == 1).mean()),
            "several": float((found > 1).mean()),
            "error": finite(np.nanmean(errors)) if both.any() else None,
            "more": finite(more.mean()) if both.any() else None,
            "more_interval": None if np.isnan(ends).any() else [float(end) for end in ends],
        }


def shown(name, rows):
    """Prints a table."""
    unit, compared = {"roll": ("°", "upright"), "size": (" px", f"{USUAL} px")}[name]
    print(f"\n| {name} | one face found | several | error, years | more than {compared} (95%) |")
    print("|---" * 5 + "|")
    for row in rows:
        years = "-" if row["error"] is None else f"{row['error']:.2f}"
        more = "-" if row["more"] is None else f"{row['more']:+.2f}"
        if ends := row["more_interval"]:
            more += f" ({ends[0]:+.2f} to {ends[1]:+.2f})"
        shares = f"{row['found']:.1%} | {row['several']:.1%}"
        print(f"| {row['value']}{unit} | {shares} | {years} | {more} |", flush=True)


def shown_yaws(rows):
    """Prints the table by yaw."""
    print("\n| turned to a side by | faces | error, years (95%) |\n|---|---|---|")
    for row in rows:
        years = "-"
        if row["error"] is not None:
            years = "{:.2f} ({:.2f} to {:.2f})".format(row["error"], *row["interval"])
        print(f"| {row['from']} to {row['to']}° | {row['n']} | {years} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("--faces", type=Path, help="a table, in place of imdb")
    parser.add_argument("--manual_dir", help="folder of imdb_crop.tar")
    parser.add_argument("--data_dir", help="folder of built data")
    parser.add_argument("--most", type=int, default=500, help="faces (500)")
    parser.add_argument("--margin", type=float, help="in place of the run's")
    parser.add_argument("--before", action="store_true", help="without landmarks, too")
    parser.add_argument("--json", type=Path, help="file for all figures")
    args = parser.parse_args()
    if args.faces:
        faces = faces_of_table(args.faces)
        faces = [faces[i] for i in evenly(len(faces), args.most)]
    else:
        faces = faces_of_imdb(args.manual_dir, args.data_dir, args.most)
    result = {"faces": len(faces), "set": args.faces.stem if args.faces else "imdb, test"}
    if args.run is None:
        result["weights"] = contents_hash(pretrained.faces())
    for title, detector in (("before", Before()), ("after", Detector())):
        if title == "before" and not args.before:
            continue
        photos = Photos(args.run, faces, args.margin, detector)
        print(f"\n{title}: {len(faces)} faces")
        for name in TABLES:
            rows = photos.table(name)
            shown(name, rows)
            (result if title == "after" else result.setdefault(title, {}))[name] = rows
        if title == "after":
            result["yaw"] = list(photos.yaws())
            shown_yaws(result["yaw"])
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
