"""Who may import whom, and what a plain import costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "agejax"
IMPURE = {"grain", "orbax", "tensorflow_datasets", "tensorflow", "absl", "tqdm", "ml_collections"}
IMPURE |= {"PIL", "simplejpeg", "cv2", "array_record", "os", "pathlib", "io", "open"}
FLOORS = [
    "labels",
    "types",
    "models",
    "train",
    "data",
    "runtime",
    "inference",
    "export",
    "commands",
    "cli",
]


def imports(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def files(*rooms):
    for room in rooms:
        path = PACKAGE / room
        yield from path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]


def test_the_pure_rooms_touch_no_file_and_no_framework_but_jax():
    for file in files("labels", "types", "models", "train"):
        found = {name.partition(".")[0] for name in imports(file)} & IMPURE
        assert not found, f"{file} imports {found}"
        assert "open(" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_what_stands_below(floor):
    above = {f"agejax.{name}" for name in FLOORS[FLOORS.index(floor) + 1 :]}
    if floor == "train":
        above |= {"agejax.data"}
    if floor == "data":
        above |= {"agejax.models", "agejax.train"}
    for file in files(floor):
        for name in imports(file):
            assert not any(name == a or name.startswith(f"{a}.") for a in above), (file, name)


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("orbax", ["runtime/stored_arrays"]),
        ("tensorstore", ["runtime/stored_arrays"]),
        ("grain", ["data/stream"]),
        ("simplejpeg", ["data/decode"]),
        ("cv2", ["data/decode", "data/face_detection"]),
        ("python_multipart", ["inference/forms"]),
        ("uvicorn", ["inference/connections"]),
        ("prometheus_client", ["inference/metrics"]),
        ("starlette", ["inference/intake", "inference/service"]),
        ("array_record", ["data/records"]),
        ("onnx", ["export/graph", "export/onnx_file"]),
        ("onnxruntime", ["export/onnx_file"]),
    ],
)
def test_each_third_party_edge_has_one_room(library, rooms):
    users = {
        file.relative_to(PACKAGE).with_suffix("").as_posix()
        for file in PACKAGE.rglob("*.py")
        if any(name.partition(".")[0] == library for name in imports(file))
    }
    assert users == set(rooms)


def modules_after(code):
    code += "; import sys; print(' '.join(m for m in sys.modules if '.' not in m))"
    return set(subprocess.check_output([sys.executable, "-c", code], text=True).split())


def test_a_plain_import_is_thin():
    heavy = {"jax", "flax", "tensorflow_datasets", "grain", "matplotlib", "orbax", "PIL", "scipy"}
    assert not modules_after("import agejax") & heavy


def test_nothing_needs_tensorflow():
    everything = "import agejax.cli, agejax.inference.predict, agejax.runtime.loop"
    everything += ", agejax.inference.picture, agejax.inference.report.write, tfds_imdb_wiki.build"
    assert not modules_after(everything) & {"tensorflow", "matplotlib", "apache_beam", "torch"}
