"""Time to prepare the data set from the archives, compared with the tutorial's loop.

    python benchmarks/build.py --manual_dir DIR [--rounds 5]

agejax builds `imdb` from imdb_crop.tar: it decodes every image completely, splits by person and
writes array_record files. The tutorial's loop reads the unpacked folder on one thread: `loadmat`,
its filter, `cv2.imread`, `cv2.resize` to 224, `cv2.imwrite`; files on which it would crash are
skipped. Above 1, agejax is faster than the loop's best round.
"""

import argparse
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from turns import Peer, ratio, serve, take_turns


def agejax(manual_dir, out):
    from tfds_imdb_wiki.build import build

    build("imdb", str(manual_dir), str(out))


def tutorial(manual_dir, out):
    import cv2
    from scipy.io import loadmat

    cv2.setNumThreads(1)
    mat = loadmat(manual_dir / "imdb_crop" / "imdb.mat")["imdb"][0, 0]
    paths = [path[0] for path in mat["full_path"][0]]
    scores, second, gender = (mat[k][0] for k in ("face_score", "second_face_score", "gender"))
    out.mkdir()
    for i, path in enumerate(paths):
        if scores[i] < 1 or second[i] > 0 or gender[i] not in (0, 1):
            continue
        image = cv2.imread(str(manual_dir / "imdb_crop" / path))
        if image is not None:
            cv2.imwrite(str(out / f"{i}.jpg"), cv2.resize(image, (224, 224)))


def child(name, manual_dir, folder):
    def work(_):
        out = Path(folder, name)
        shutil.rmtree(out, ignore_errors=True)
        globals()[name](Path(manual_dir), out)

    serve(work)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--manual_dir", required=True, type=Path, help="folder of imdb_crop.tar")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(args.manual_dir / "imdb_crop.tar") as tar:
            tar.extractall(folder, filter="data")
        sides = (("agejax", str(args.manual_dir)), ("tutorial", folder))
        peers = [Peer("build.py", "child", *side, folder) for side in sides]
        ours, theirs = take_turns(peers, warm_up=1, n=1, rounds=args.rounds)
    best = [min(theirs)] * len(theirs)
    print(f"tutorial's loop / agejax {ratio(best, ours)}", *(f"{t:.1f}" for t in theirs + ours))


if __name__ == "__main__":
    child(*sys.argv[2:]) if sys.argv[1:2] == ["child"] else main()
