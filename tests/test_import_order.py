"""Who may import whom, and what a plain import costs."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "agejax"
IMPURE = {"grain", "orbax", "tensorflow_datasets", "tensorflow", "absl", "tqdm", "ml_collections"}
IMPURE |= {"PIL", "simplejpeg", "cv2", "array_record", "os", "pathlib", "io", "open"}
PURE = ("labels", "types", "models", "losses", "optim", "metrics")
# Each line imports only from itself and the lines above it; docs/development.md says what each is.
ORDER = (
    ("errors", "figures", "labels", "types", "utils"),
    ("kernels",),
    ("models",),
    ("losses", "optim"),
    ("metrics",),
    ("data",),
    ("config",),
    ("distributed",),
    ("steps",),
    ("pretrained",),
    ("checkpoints",),
    ("evaluation",),
    ("training",),
    ("experiments",),
    ("inference",),
    ("reports",),
    ("auditing",),
    ("exporters",),
    ("api",),
    ("serve",),
    ("cli",),
    ("__init__", "__main__"),
)
LINE = {part: i for i, parts in enumerate(ORDER) for part in parts}


def parts():
    """{module or folder of the package: its files}, from the tree."""
    found = {}
    for file in PACKAGE.rglob("*.py"):
        part = file.relative_to(PACKAGE).with_suffix("").parts[0]
        found.setdefault(part, []).append(file)
    return found


@functools.cache
def imports(file):
    return tuple(_imports(file))


def _imports(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_part_of_the_package_has_its_line():
    assert set(parts()) == set(LINE)


def test_the_pure_parts_touch_no_file_and_no_framework_but_jax():
    for part in PURE:
        for file in parts()[part]:
            found = {name.partition(".")[0] for name in imports(file)} & IMPURE
            assert not found, f"{file} imports {found}"
            assert "open(" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("part", sorted(LINE))
def test_a_part_imports_only_from_its_line_and_above(part):
    for file in parts()[part]:
        for name in imports(file):
            package, _, rest = name.partition(".")
            other = rest.partition(".")[0]
            if package == "agejax" and other in LINE:
                assert LINE[other] <= LINE[part], f"{file} imports {name}"


@pytest.mark.parametrize(
    ("library", "modules"),
    [
        ("orbax", ["checkpoints/stored_arrays"]),
        ("tensorstore", ["checkpoints/stored_arrays"]),
        ("grain", ["data/stream"]),
        ("simplejpeg", ["data/decode"]),
        ("cv2", ["data/decode", "data/face_alignment", "data/face_detection"]),
        ("python_multipart", ["serve/forms"]),
        ("uvicorn", ["serve/connections"]),
        ("prometheus_client", ["serve/metrics"]),
        ("starlette", ["serve/intake", "serve/app"]),
        ("array_record", ["data/records"]),
        ("onnx", ["exporters/graph", "exporters/onnx_file"]),
        ("onnxruntime", ["exporters/onnx_file"]),
    ],
)
def test_each_third_party_edge_has_one_module(library, modules):
    users = {
        file.relative_to(PACKAGE).with_suffix("").as_posix()
        for file in PACKAGE.rglob("*.py")
        if any(name.partition(".")[0] == library for name in imports(file))
    }
    assert users == set(modules)


def modules_after(code):
    code += "; import sys; print(' '.join(m for m in sys.modules if '.' not in m))"
    return set(subprocess.check_output([sys.executable, "-c", code], text=True).split())


def test_a_plain_import_is_thin():
    heavy = {"jax", "flax", "tensorflow_datasets", "grain", "matplotlib", "orbax", "PIL", "scipy"}
    assert not modules_after("import agejax") & heavy


def test_nothing_needs_tensorflow():
    everything = "import agejax.cli, agejax.inference.predictor, agejax.training.loop"
    everything += ", agejax.reports.contact_sheet, agejax.reports.write, tfds_imdb_wiki.build"
    assert not modules_after(everything) & {"tensorflow", "matplotlib", "apache_beam", "torch"}
