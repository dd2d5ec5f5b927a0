"""Strict JAX, kept programs, and one small painted data set for all.

What a user has not set is not set here either: no trust, no fake devices. What needs several
devices is in tests/four_devices.
"""

import contextlib
import fcntl
import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    # What one test compiles serves all other processes too.
    _COMPILED = tempfile.TemporaryDirectory()
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _COMPILED.name
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
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


def made_once(tmp_path_factory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name` that all workers of this session share; the first to ask makes it.

    A session that a test starts can be handed such a folder: AGEJAX_MADE_NAME names it.
    """
    if made := os.environ.get(f"AGEJAX_MADE_{name}"):
        return Path(made)
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, made = base / name, base / f"{name}.made"
    with open(base / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def archives(tmp_path_factory) -> Path:
    """A manual folder with painted `imdb_crop/` and `wiki_crop/`, every trap in them."""
    from tfds_imdb_wiki.paint.archive import write_archive

    def paint(folder):
        for kind in ("imdb", "wiki"):
            write_archive(folder, kind, 240, seed=7, size=40)

    return made_once(tmp_path_factory, "archives", paint)


@pytest.fixture(scope="session")
def built(archives, tmp_path_factory) -> Path:
    """A data folder in which the painted `imdb` is built."""
    from tfds_imdb_wiki.build import build

    make = lambda folder: build("imdb", str(archives), str(folder))
    return made_once(tmp_path_factory, "built", make)


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
    """The folder of a finished tiny run, each worker's own copy of it: tests evaluate it anew."""
    from agejax.checkpoints.own_data import remember
    from agejax.training.loop import train
    from tests.tiny import get_config

    config = get_config()
    config.data.update(manual_dir=str(archives), data_dir=str(built))

    def trained(folder):
        with _compilation(quick=_QUICK):  # whichever module asks first
            train(config, folder / "tiny")

    made = made_once(tmp_path_factory, "trained", trained)
    remember(config)
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    return shutil.copytree(made / "tiny", workdir)


_QUICK = jax.config.read("jax_disable_most_optimizations")


@contextlib.contextmanager
def _compilation(*, quick: bool):
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", quick)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="module")
def quick_compilation():
    """Programs compile in half the time and run slower: for tests of what a program computes."""
    with _compilation(quick=True):
        yield


@pytest.fixture
def compiled_as_the_run():
    """In a module that compiles quickly: for a test that compares with the bits of `run`."""
    with _compilation(quick=_QUICK):
        yield


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium for a module; no event loop can be started while it is open."""
    from tests.browser import chromium

    with chromium() as browser:
        yield browser


@pytest.fixture(autouse=True)
def _layers_as_in_a_new_process():
    """oneDNN is in use once something trains; not in the tests after that."""
    yield
    if cpu := sys.modules.get("agejax.kernels.cpu"):
        cpu.use_onednn.cache_clear()
        cpu.dispatch.use(None)


@pytest.fixture(scope="session")
def launcher(tmp_path_factory):
    """Starts `python launch.py ARGS`, each in a process of its own; see tests/launches.py."""
    from tests.launches import Launcher

    launcher = Launcher(tmp_path_factory.mktemp("launches"))
    yield launcher
    launcher.close()


@pytest.fixture
def launch(launcher, archives, built):
    """Starts `launch.py` on the tiny config in a process of its own."""

    def start(*args: str, config: str = "tests/tiny.py"):
        data = [f"--config.data.manual_dir={archives}", f"--config.data.data_dir={built}"]
        given = data if config == "tests/tiny.py" else []
        return launcher.start("--config", config, *args, *given)

    return start


def pytest_collection_modifyitems(items):
    """Files of long tests come first, those of short ones last: both workers end at about once."""
    first = ("battery", "distributed", "experiments", "training", "four_devices", "tests")
    last = ("config", "data", "evaluation", "losses", "metrics", "utils")
    place = lambda folder: (folder in last) - (folder in first)
    items.sort(key=lambda item: place(item.path.parent.name))


def pytest_collection_finish():
    """What was imported stays: no collection of garbage need walk through it."""
    gc.freeze()


def pytest_sessionfinish(session):
    """A worker hands its figures over."""
    if hasattr(session.config, "workeroutput"):
        from tests.battery.counts import FIGURES

        session.config.workeroutput["figures"] = FIGURES


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """The figures of a worker that has ended are among those of all."""
    from tests.battery.counts import FIGURES

    FIGURES.extend(map(tuple, getattr(node, "workeroutput", {}).get("figures", [])))


def pytest_terminal_summary(terminalreporter, config):
    """The battery's table."""
    from tests.battery.counts import FIGURES

    if FIGURES and config.option.markexpr == "battery":
        terminalreporter.section("figures")
        terminalreporter.write_line("| test | figure |")
        terminalreporter.write_line("|---|---|")
        for test, figure in FIGURES:
            terminalreporter.write_line(f"| {test} | {figure} |")
