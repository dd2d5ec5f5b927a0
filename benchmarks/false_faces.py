"""False faces: what the detector finds in images without faces, with and without turned searches.

    python benchmarks/false_faces.py [--most 200] [--manual_dir DIR] [--json runs/false-faces.json]

Images are generated: backdrops, gradients, noise at several scales, gratings, checks, shapes, text
and foliage. With the archives of `imdb` there are, too, photos whose squares of 40 pixels are
shuffled, so that textures of skin, hair and cloth are real and no face is whole. A photo without
faces is searched again in two turned copies, `agejax.data.face_detection`: "upright alone" is
without these.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from agejax.data.decode import canonical, photo
from agejax.data.face_detection import Detector
from agejax.data.imdb_wiki import imdb_wiki

SHAPE = 640, 480  # width and height
BLOCK = 40  # pixels of a shuffled square


class Upright(Detector):
    """The detector without turned searches."""

    def _searched_turned(self, pixels):
        return np.zeros((0, 15))


def backdrop(rng):
    """Soft colours."""
    small = rng.integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(small, SHAPE, interpolation=cv2.INTER_CUBIC)


def gradient(rng):
    """One colour that becomes another, with some noise."""
    x, y = np.meshgrid(*(np.linspace(0, 1, side) for side in SHAPE))
    along = (x * rng.normal() + y * rng.normal())[..., None]
    along = (along - along.min()) / (np.ptp(along) + 1e-9)
    a, b = rng.integers(0, 256, (2, 3))
    return a + (b - a) * along + rng.normal(0, 6, (*SHAPE[::-1], 3))


def noise(rng):
    """The same at all scales, as in clouds, bark and plaster."""
    total = np.zeros((*SHAPE[::-1], 3))
    for octave in range(1, 8):
        small = rng.normal(0, 1, (2**octave + 1, 2**octave + 1, 3))
        small[..., 1:] = small[..., :1] + 0.3 * small[..., 1:]
        total += cv2.resize(small, SHAPE, interpolation=cv2.INTER_CUBIC) * 0.75**octave
    return 128 + 60 * total / total.std()


def grating(rng):
    """Two waves: fences, blinds, cloth."""
    x, y = np.meshgrid(*map(np.arange, SHAPE))
    waves = sum(
        np.sin((x * np.cos(a) + y * np.sin(a)) * 2 * np.pi / rng.uniform(6, 90))
        for a in rng.uniform(0, np.pi, 2)
    )
    return (128 + 50 * waves)[..., None] + rng.normal(0, 20, 3)


def checks(rng):
    """Tiles of two colours, jittered: walls and windows."""
    side = int(rng.integers(8, 90))
    rows, columns = -(-SHAPE[1] // side), -(-SHAPE[0] // side)
    parity = (np.indices((rows, columns)).sum(0) % 2)[..., None]
    tiles = rng.integers(0, 256, 3) * parity + rng.integers(0, 256, 3) * (1 - parity)
    tiles = tiles + rng.normal(0, 15, (rows, columns, 1))
    return np.kron(tiles, np.ones((side, side, 1)))[: SHAPE[1], : SHAPE[0]]


def shapes(rng):
    """Ellipses, boxes and lines: furniture, fruit, wheels."""
    image = backdrop(rng)
    for _ in range(rng.integers(5, 60)):
        x, y = (int(rng.integers(side)) for side in SHAPE)
        w, h = (int(length) for length in rng.integers(4, 160, 2))
        colour = rng.integers(0, 256, 3).tolist()
        fill = -1 if rng.random() < 0.7 else int(rng.integers(1, 9))
        if rng.random() < 0.6:
            cv2.ellipse(image, (x, y), (w, h), rng.uniform(0, 360), 0, 360, colour, fill)
        else:
            cv2.rectangle(image, (x, y), (x + w, y + h), colour, fill)
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 3))


def text(rng):
    """Letters of many sizes: signs and pages."""
    image = np.full((*SHAPE[::-1], 3), rng.integers(120, 256, 3), np.uint8)
    for _ in range(rng.integers(10, 80)):
        word = "".join(rng.choice([*"abcdefghijkmnopqrstuvwxyzABCDEFGHO0865&@%"], 8))
        at = (int(rng.integers(-50, SHAPE[0])), int(rng.integers(SHAPE[1])))
        colour, scale = rng.integers(0, 140, 3).tolist(), rng.uniform(0.3, 3)
        cv2.putText(image, word, at, int(rng.integers(8)), scale, colour, int(rng.integers(1, 5)))
    return image


def foliage(rng):
    """Thousands of leaves in the colours of a wood."""
    image = np.full((*SHAPE[::-1], 3), (30, 40, 20), np.uint8)
    for _ in range(2000):
        x, y = (int(rng.integers(side)) for side in SHAPE)
        size = (int(rng.integers(2, 16)), int(rng.integers(1, 6)))
        colour = (rng.integers(20, 140, 3) * (0.8, 1.2, 0.5)).tolist()
        cv2.ellipse(image, (x, y), size, rng.uniform(0, 360), 0, 360, colour, -1)
    return image


KINDS = (backdrop, gradient, noise, grating, checks, shapes, text, foliage)


def shuffled(pixels, rng):
    """A face's crop, enlarged or not, in squares that change places and are turned."""
    side = int(rng.choice([200, 320, 480]))
    pixels = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    n = side // BLOCK
    squares = [
        pixels[y * BLOCK : (y + 1) * BLOCK, x * BLOCK : (x + 1) * BLOCK]
        for y in range(n)
        for x in range(n)
    ]
    squares = [np.rot90(squares[i], rng.integers(1, 4)) for i in rng.permutation(n * n)]
    return np.concatenate([np.concatenate(squares[i : i + n], 1) for i in range(0, n * n, n)])


def images(most, manual_dir, data_dir):
    """Yields (kind, image) of each."""
    for kind in KINDS:
        for seed in range(most):
            image = kind(np.random.default_rng([seed, KINDS.index(kind)]))
            yield kind.__name__, np.clip(image, 0, 255).astype(np.uint8)
    if manual_dir is not None:
        faces = imdb_wiki("test", manual_dir=manual_dir, data_dir=data_dir)
        for i, jpeg in enumerate(faces.read(faces.rows[:most])):
            yield "shuffled photos", shuffled(photo(canonical(jpeg), 512), np.random.default_rng(i))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--most", type=int, default=200, help="images of each kind (200)")
    parser.add_argument("--manual_dir", help="folder of imdb_crop.tar, for shuffled photos")
    parser.add_argument("--data_dir", help="folder of built data")
    parser.add_argument("--json", type=Path, help="file for all figures")
    args = parser.parse_args()
    sides = {"upright alone": Upright(), "with turned searches": Detector()}
    counts, scores = {}, {side: [] for side in sides}
    for kind, image in images(args.most, args.manual_dir, args.data_dir):
        of = counts.setdefault(kind, {"images": 0, **dict.fromkeys(sides, 0)})
        of["images"] += 1
        for side, detector in sides.items():
            found = detector.find(image)
            of[side] += len(found)
            scores[side] += [round(box.score, 4) for box in found]
    everything = {name: sum(of[name] for of in counts.values()) for name in ("images", *sides)}
    print(f"| images without faces | n | {' | '.join(f'false faces, {side}' for side in sides)} |")
    print("|---" * 4 + "|")
    for kind, of in (counts | {"all": everything}).items():
        print(f"| {kind} | {' | '.join(str(of[name]) for name in ('images', *sides))} |")
    for side, of in scores.items():
        print(f"scores, {side}: {sorted(of)}")
    if args.json:
        result = {"kinds": counts, "all": everything, "scores": scores}
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
