"""agejax's side of `peers.py`; see there, and `turns.serve`.

    python peers_agejax.py MODEL VARIANT ROOT LIST OUT

MODEL is a run or a file of weights. Its rows have three more columns: the ends of the 90% interval,
and the first year of the most likely one of FairFace's age groups. Variants: "auto", as
`agejax predict` takes a file: a small square image is a crop; "photos", its detector finds the
face, and the crop is read where it does not.
"""

import itertools
import sys
from pathlib import Path

import numpy as np
from turns import serve

import agejax
from agejax.kernels.cpu import keep_freed_memory
from agejax.labels import MALE

FIRST = np.array([0, 3, *range(10, 80, 10)])  # of FairFace's groups


def main(path, variant, root, names, out):
    keep_freed_memory()  # as the commands do
    files = itertools.cycle(Path(names).read_text().splitlines())
    model = agejax.load(path)

    def work(n):
        some = list(itertools.islice(files, n))
        images = [Path(root, file) for file in some]
        found = [
            face_of(one) for one in model.read(images, photos=True if variant == "photos" else None)
        ]
        missed = [i for i, face in enumerate(found) if face is None]
        again = model.read([images[i] for i in missed], photos=False)
        for i, one in zip(missed, again, strict=True):
            if one.error:
                raise one.error
            found[i] = one.faces[0]
        with open(out, "a") as to:
            for file, face in zip(some, found, strict=True):
                to.write(f"{','.join(map(str, row(file, face)))}\n")

    serve(work)


def face_of(reading):
    """The largest face of a photo, or the crop; None where no face is found."""
    sizes = [face.box.width if face.box else 0 for face in reading.faces]
    return reading.faces[int(np.argmax(sizes))] if sizes else None


def row(file, face):
    age, gender = face.probabilities["age"], face.probabilities["gender"]
    group = FIRST[np.argmax(np.add.reduceat(age, FIRST))]
    ends = face.age_low, face.age_high
    return file, face.age, float(gender[MALE]), int(face.box is not None), *ends, group


if __name__ == "__main__":
    main(*sys.argv[1:])
