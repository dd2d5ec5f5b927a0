"""Strict JAX, four fake devices, and one small painted data set for all."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

os.environ["XLA_FLAGS"] = os.getenv("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["AGEJAX_TRUST"] = ",".join(
    ["tests", "examples", "test_training", "test_start_from_published", "test_writers"]
    + ["test_stops", "test_refusals"]
)
_COMPILED = tempfile.TemporaryDirectory()  # what one test compiles serves the next process too
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", _COMPILED.name)
_STATE = tempfile.TemporaryDirectory()  # not the notes of whoever runs the tests
os.environ["XDG_STATE_HOME"] = _STATE.name

import jax  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# A shell's background jobs ignore Ctrl-C, and so would the processes that tests stop by it.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # launch.py and configs/ are no package
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def archives(tmp_path_factory) -> Path:
    """A manual folder with painted `imdb_crop/` and `wiki_crop/`, every trap in them."""
    from tfds_imdb_wiki.paint.archive import write_archive

    folder = tmp_path_factory.mktemp("archives")
    for kind in ("imdb", "wiki"):
        write_archive(folder, kind, 240, seed=7, size=40)
    return folder


@pytest.fixture(scope="session")
def built(archives, tmp_path_factory) -> Path:
    """A data folder in which the painted `imdb` is built."""
    from tfds_imdb_wiki.build import build

    folder = tmp_path_factory.mktemp("built")
    build("imdb", str(archives), str(folder))
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real faces that developers are given; never part of the repository."""
    if not (SHARED / "imdb_crop.tar").exists():
        pytest.skip(f"needs the real faces of {SHARED}")
    return SHARED


@pytest.fixture
def tiny(archives, built):
    """The config of a run of seconds on the painted data set."""
    from tests.tiny import get_config

    config = get_config()
    config.data.update(manual_dir=str(archives), data_dir=str(built))
    return config


@pytest.fixture(scope="session")
def run(archives, built, tmp_path_factory) -> Path:
    """The folder of a finished tiny run."""
    from agejax.training.loop import train
    from tests.tiny import get_config

    config = get_config()
    config.data.update(manual_dir=str(archives), data_dir=str(built))
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    train(config, workdir)
    return workdir


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium for a module; no event loop can be started while it is open."""
    from tests.browser import chromium

    with chromium() as browser:
        yield browser


@pytest.fixture
def launch(archives, built):
    """Starts `launch.py` on the tiny config in a process of its own, with four devices."""

    def start(*args: str, config: str = "tests/tiny.py") -> subprocess.Popen:
        command = [sys.executable, "launch.py", "--config", config, *args]
        if config == "tests/tiny.py":
            command += [f"--config.data.manual_dir={archives}", f"--config.data.data_dir={built}"]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)

    return start


def pytest_terminal_summary(terminalreporter, config):
    """The battery's table."""
    from tests.battery.counts import FIGURES

    if FIGURES and config.option.markexpr == "battery":
        terminalreporter.section("figures")
        terminalreporter.write_line("| test | figure |")
        terminalreporter.write_line("|---|---|")
        for test, figure in FIGURES:
            terminalreporter.write_line(f"| {test} | {figure} |")
