"""`agejax verify`, and configs of checkpoints that name code of others."""

import json
import shutil
import sys

import pytest

import agejax.cli
from agejax import config as configs
from agejax.checkpoints import manifest
from agejax.errors import UserError
from tests.saved import save


@pytest.fixture
def verify(capsys, monkeypatch):
    """`agejax verify ARGS` in this process: exit code, stdout, stderr."""

    def call(*args):
        monkeypatch.setattr(sys, "argv", ["agejax", "verify", *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            agejax.cli.main()
        return stop.value.code or 0, *capsys.readouterr()

    return call


@pytest.fixture
def workdir(tmp_path):
    save(tmp_path, 1, 2, mae=lambda step: step)
    return tmp_path


def test_a_whole_run_is_said_to_be_whole(verify, workdir):
    folder = workdir / "checkpoints"
    assert verify(workdir) == (0, f"{folder}/1 is whole\n{folder}/2 is whole\n", "")


@pytest.mark.parametrize("kind", ["flip", "cut", "delete", "swap"])
def test_damage_is_named_and_gives_two(verify, workdir, kind):
    folder = workdir / "checkpoints"
    file, other = folder / "2/metrics/metrics", folder / "2/config/metadata"
    match kind:
        case "flip":
            file.write_bytes(file.read_bytes().replace(b"2", b"3"))
        case "cut":
            file.write_bytes(file.read_bytes()[:-1])
        case "delete":
            file.unlink()
        case "swap":
            text = file.read_bytes()
            file.write_bytes(other.read_bytes())
            other.write_bytes(text)
    code, out, err = verify(workdir)
    assert (code, err) == (2, "")
    first, second = out.splitlines()
    assert first == f"{folder}/1 is whole"
    assert second.startswith(f"{folder}/2 is damaged: ")
    assert ("config/metadata" if kind == "swap" else "metrics/metrics") in second


def test_arrays_that_cannot_be_opened_are_told_though_every_file_is_as_written(verify, workdir):
    folder = workdir / "checkpoints" / "2"
    (folder / "training" / "manifest.ocdbt").unlink()  # as where the parts were not merged
    manifest.seal(folder, 2)
    code, out, err = verify(workdir)
    assert (code, err) == (2, "")
    assert f"{folder} is damaged: its training cannot be opened (" in out


def test_a_run_without_checkpoints_is_told(verify, tmp_path):
    code, out, err = verify(tmp_path)
    assert (code, out) == (2, "")
    assert err == f"error: {tmp_path}: there is no trained run here (no checkpoint)\n"


def test_a_checkpoint_of_an_older_version_can_be_sealed(verify, workdir):
    (workdir / "checkpoints" / "1" / manifest.NAME).unlink()
    assert verify(workdir)[0] == 2
    assert verify(workdir, "--seal")[0] == 0
    assert verify(workdir)[0] == 0


def poisoned(key, name):
    config = json.loads(configs.to_json(configs.default()))
    *sections, last = key.split(".")
    holder = config
    for section in sections:
        holder = holder[section]
    holder[last] = [name] if last == "writers" else name
    return json.dumps(config)


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A module that tells when it is imported."""
    (tmp_path / "trap_of_a_checkpoint.py").write_text(
        "import pathlib\npathlib.Path(__file__).with_suffix('.sprung').touch()\n"
        "def it(*args, **kwargs):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "trap_of_a_checkpoint.sprung"
    sys.modules.pop("trap_of_a_checkpoint", None)


KEYS = (
    *("model.trunk", "data.source", "optim.schedule", "tasks.age.head", "tasks.age.loss"),
    *("tasks.age.balance", "writers", "model.pretrained"),
)


@pytest.mark.parametrize("key", KEYS)
def test_a_config_that_names_code_of_others_runs_none_of_it(key, trap):
    text = poisoned(key, "trap_of_a_checkpoint:it")
    with pytest.raises(UserError, match="AGEJAX_TRUST=trap_of_a_checkpoint"):
        configs.from_json(text, "runs/x")
    assert not trap.exists()


@pytest.mark.parametrize("name", ["os:system", "builtins:exec", "agejax_evil:it", "agejax:load"])
def test_programs_of_the_machine_are_not_run_for_a_checkpoint(name):
    with pytest.raises(UserError, match=f"names {name}, code that is not agejax's own"):
        configs.from_json(poisoned("data.source", name), "runs/x")


def test_what_is_trusted_is_read(trap, monkeypatch):
    monkeypatch.setenv("AGEJAX_TRUST", "x,trap_of_a_checkpoint")
    configs.from_json(poisoned("data.source", "trap_of_a_checkpoint:it"), "runs/x")
    assert trap.exists()


@pytest.mark.parametrize(
    "start", ["agejax.pretrained.start_from:dlib_faces", "runs/small", "a.pth"]
)
def test_our_own_starts_and_files_need_no_trust(start):
    read = configs.from_json(poisoned("model.pretrained", start), "runs/x")
    assert read.model.pretrained == start


def test_a_whole_run_that_names_code_of_others_is_refused_in_one_line(run, tmp_path, trap):
    import agejax

    copy = shutil.copytree(run, tmp_path / "run")
    for folder in (copy / "checkpoints").iterdir():
        (folder / "config" / "metadata").write_text(
            json.dumps({"json": poisoned("model.trunk", "trap_of_a_checkpoint:it")})
        )
        manifest.seal(folder, int(folder.name))
    (copy / "config.json").write_text(poisoned("model.trunk", "trap_of_a_checkpoint:it"))
    with pytest.raises(UserError, match="AGEJAX_TRUST"):
        agejax.load(copy)
    assert not trap.exists()
