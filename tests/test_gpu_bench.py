"""`benchmarks/gpu.sh` without a GPU: each stage costs only itself, and faces are packed."""

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

FOLDERS = [str(ROOT / "benchmarks" / "gpu"), str(ROOT / "benchmarks")]
NAMES = ("run", "figures", "packed", "pack", "chosen_tests")


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Imports a module of benchmarks/gpu, in smoke mode, with folders of its own."""
    monkeypatch.setenv("AGEJAX_GPU", "0")
    monkeypatch.setenv("GPU_OUT", str(tmp_path))
    monkeypatch.setenv("GPU_WORK", str(tmp_path / "work"))
    for folder in reversed(FOLDERS):
        monkeypatch.syspath_prepend(folder)
    for name in NAMES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module
    for name in NAMES:
        sys.modules.pop(name, None)


def alive(process):
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def until(true):
    """Waits for something that takes a moment."""
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)
    pytest.fail("it took more than 5 s")


def shell(out, *stages):
    """Runs stages as a user does."""
    return subprocess.run(
        ["bash", "benchmarks/gpu.sh", str(out), *stages],
        cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable, "AGEJAX_GPU": "0", "WHEELS": str(out)},
        capture_output=True,
        text=True,
    )


def test_a_stage_that_is_none_is_one_line(tmp_path):
    done = shell(tmp_path, "speeed")
    assert done.returncode == 1
    assert done.stderr.startswith("error: there is no stage speeed; have determinism, chosen_tests")


def test_the_chosen_tests_are_counted(bench, tmp_path, monkeypatch):
    stage = bench("chosen_tests")
    three = tmp_path / "test_three.py"
    three.write_text(
        "import pytest\n"
        "def test_passes(): pass\n"
        "def test_fails(): assert 0, 'broken'\n"
        "def test_skips(): pytest.skip()\n"
    )
    (tmp_path / "work").mkdir()
    monkeypatch.setattr(stage, "SMALLEST", (str(three),))
    with pytest.raises(SystemExit) as ended:
        stage.main()
    assert ended.value.code == 1
    counted = json.loads((tmp_path / "figures.json").read_text())["chosen_tests"]["tests"]
    assert (counted["passed"], counted["skipped"], len(counted["failed"])) == (1, 1, 1)
    line, failed = (tmp_path / "figures.txt").read_text().splitlines()
    assert line.startswith("tests: 1 passed, 1 skipped, 1 failed")
    assert "test_fails: " in failed
    assert "broken" in failed


@pytest.mark.battery
def test_all_stages_in_their_smoke_mode(tmp_path, bench):
    done = shell(tmp_path)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "figures.txt").read_text().splitlines()
    for stage in bench("run").STAGES:
        assert any(line.startswith(f"{stage}: ok") for line in lines), lines
    assert "two runs are bit-identical" in lines[0]


def test_a_stage_that_hangs_or_fails_costs_only_itself(bench, tmp_path, monkeypatch):
    run = bench("run")
    stages = tmp_path / "stages"
    stages.mkdir()
    child = tmp_path / "child"
    (stages / "hangs.py").write_text(
        "import pathlib, subprocess, time\n"
        f"pathlib.Path({str(child)!r}).write_text(str(subprocess.Popen(['sleep', '60']).pid))\n"
        "time.sleep(60)"
    )
    (stages / "fails.py").write_text("raise SystemExit(3)")
    (stages / "works.py").write_text("print('worked')")
    monkeypatch.setattr(run, "__file__", str(stages / "run.py"))
    monkeypatch.setattr(run, "STAGES", dict.fromkeys(("fails", "works"), 30))
    assert run.run_stage("hangs", 0.5, tmp_path / "log.txt") is None
    until(lambda: not alive(child.read_text()))  # killed with its parent
    assert run.main(tmp_path, []) == 1
    ended = {
        name: of["ended"]
        for name, of in json.loads((tmp_path / "figures.json").read_text())["run"].items()
    }
    assert ended == {"fails": "exit 3", "works": "ok"}
    assert (tmp_path / "log.txt").read_text() == "worked\n"


def test_packed_faces_keep_labels_persons_and_splits(bench, built, tmp_path, monkeypatch):
    from agejax import config as configs
    from agejax.data.decode import decode
    from agejax.data.imdb_wiki import of_folder

    pack, packed = bench("pack"), bench("packed")
    monkeypatch.setattr(pack, "_dlib", lambda: b"")  # to compress its weights takes seconds
    file = tmp_path / "faces.tar.xz"
    folder = built / "imdb_wiki" / "imdb" / "2.0.0"
    pack.pack(folder, file, size=24, most=1 << 20)
    monkeypatch.setattr(packed, "PACKED", file)
    monkeypatch.setattr(packed, "SMOKE", False)
    config = configs.default()
    assert packed.use_faces(config) == "imdb, packed"
    for split in pack.SPLITS:
        before, after = of_folder(folder, split), config.data.source(split, path=config.data.path)
        assert len(after) == len(before)
        for task in ("age", "gender"):
            assert (after.labels[task] == before.labels[task]).all()
        assert (after.person == before.person).all()
    (jpeg,) = after.read(after.rows[:1])
    assert decode(jpeg, 24).shape == (24, 24, 3)


def test_faces_that_do_not_fit_are_one_line(bench, built, tmp_path):
    from agejax.errors import UserError

    folder = built / "imdb_wiki" / "imdb" / "2.0.0"
    with pytest.raises(UserError, match="no quality from 50 on fits"):
        bench("pack").pack(folder, tmp_path / "faces.tar.xz", size=24, most=1000)
    assert not (tmp_path / "faces.tar.xz").exists()
