"""The faces of the stages: those that `pack.py` packed, or painted ones where there are none."""

import os
import shutil
import tarfile
from pathlib import Path

from figures import SMOKE
from ml_collections import ConfigDict

from agejax.data.own_faces import own_faces

PACKED = Path(__file__).parents[2] / ".faces" / "faces.tar.xz"


def use_faces(config: ConfigDict, most: int = 3000) -> str:
    """Has `config` train on the packed faces, else on `most` painted ones; says which.

    Packed faces are unpacked once for all stages.
    """
    work = Path(os.environ["GPU_WORK"])
    if not PACKED.is_file() or SMOKE:
        config.data.update(name="imdb", painted=120 if SMOKE else most, margin=0.35)
        config.data.update(manual_dir=str(work / "archives"), data_dir=str(work / "built"))
        return f"{config.data.painted:,} painted faces"
    config.data.update(source=own_faces, path=str(unpacked(work) / "faces.csv"), margin=0.4)
    return "imdb, packed"


def unpacked(work: Path) -> Path:
    """The folder of the packed faces: `faces.csv`, `faces/`, and `dlib.npz` if it was packed."""
    folder = work / "faces"
    if not folder.exists():
        temporary = work / "faces.part"
        shutil.rmtree(temporary, ignore_errors=True)
        with tarfile.open(PACKED) as file:
            file.extractall(temporary, filter="data")
        temporary.rename(folder)
    return folder


def dlib_weights() -> str | None:
    """The weights that configs/face_resnet.py starts from, if they were packed."""
    if SMOKE or not PACKED.is_file():
        return None
    file = unpacked(Path(os.environ["GPU_WORK"])) / "dlib.npz"
    return str(file) if file.exists() else None
