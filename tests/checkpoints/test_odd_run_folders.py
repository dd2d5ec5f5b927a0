"""Folders with odd names, with what systems leave in them, and with a run at work in them."""

import shutil
import threading
from pathlib import Path

import pytest

from agejax.checkpoints import manifest, stored_arrays
from agejax.checkpoints.checkpoint import Checkpoints
from agejax.checkpoints.run_dir import other_than_evaluated
from agejax.checkpoints.step_folders import Replaced, StepFolders
from agejax.errors import UserError
from agejax.experiments.derived_run import check_out
from agejax.metrics.calibration import Calibration
from agejax.types import weights_of
from agejax.utils.system_files import is_junk
from tests.saved import CONFIG, contents, same, save, state

JUNK = (".DS_Store", "._2", "Thumbs.db", "desktop.ini", ".nfs000012ab", ".fuse_hidden0001")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A run with checkpoints of steps 1, the best, and 2."""
    folder = tmp_path_factory.mktemp("two")
    save(folder, 1, 2, mae=lambda step: step)
    return folder


@pytest.fixture
def workdir(two, tmp_path):
    return shutil.copytree(two, tmp_path / "run")


NAMES = (
    *("widths=[8,16]", "[!a]", "a*", "a?b", "a b", "a%20b", "a#b", "a\\b", "a\nb", "né", "~"),
    *("a:b", "a{b}", "a\udcff", "'\"", "$HOME"),
)


@pytest.mark.parametrize("odd", NAMES, ids=ascii)
def test_no_character_of_a_path_matters(tmp_path, odd):
    workdir = tmp_path / odd / "run"
    save(workdir, 1, 2, mae=lambda step: step)
    reader = Checkpoints(workdir, read_only=True)
    assert same(reader.state(2, like=state(9)), state(2))
    assert same(reader.weights(1, like=weights_of(state(9))), dict(weights_of(state(1))))
    assert not StepFolders(workdir / "checkpoints").problems(2)


@pytest.mark.parametrize("way", ["link/..", "../{here}", "/{whole}"])
def test_no_way_to_a_folder_matters(tmp_path, monkeypatch, way):
    away = tmp_path / "away"
    (away / "in").mkdir(parents=True)
    here = tmp_path / "here"
    here.mkdir()
    (here / "link").symlink_to(away / "in")  # so that link/.. is `away`
    monkeypatch.chdir(here)
    workdir = Path(way.format(here="here", whole=here), "run")
    save(workdir, 1, 2, mae=lambda step: step)
    assert same(Checkpoints(workdir, read_only=True).state(2, like=state(9)), state(2))
    assert sorted(workdir.resolve().glob("checkpoints/2"))


def test_a_sibling_whose_name_the_pattern_fits_is_another_run(tmp_path):
    save(tmp_path / "a8", 1, mae=lambda step: step)
    save(tmp_path / "a[8]", 2, mae=lambda step: step)
    reader = Checkpoints(tmp_path / "a[8]", read_only=True)
    assert same(reader.state(2, like=state(9)), state(2))


def test_what_cannot_be_opened_does_not_count_as_saved(workdir, monkeypatch):
    before, checkpoints = contents(workdir), Checkpoints(workdir)
    write = stored_arrays.write_items

    def half(folder, items):
        write(folder, items)
        (folder / "weights" / "manifest.ocdbt").unlink()  # as where nothing was merged

    monkeypatch.setattr("agejax.checkpoints.checkpoint.write_items", half)
    with pytest.raises(UserError, match="3: this checkpoint cannot be saved"):
        checkpoints.save(state(3), CONFIG, 3.0)
    assert contents(workdir) == before


@pytest.mark.parametrize("name", [*JUNK, "@eaDir"])
def test_what_a_system_leaves_is_no_damage(workdir, name, capsys):
    folder, wanted = workdir / "checkpoints", contents(workdir)
    for place in (workdir, folder, folder / "2", folder / "2" / "weights", folder / "2" / "config"):
        if name == "@eaDir":
            (place / name).mkdir()
            (place / name / "x@SynoEAStream").write_bytes(b"x")
        else:
            (place / name).write_bytes(b"x")
    checkpoints = Checkpoints(workdir)
    assert (checkpoints.latest(), checkpoints.find("best")) == (2, 1)
    assert same(checkpoints.state(2, like=state(9)), state(2))
    assert capsys.readouterr() == ("", "")
    there = contents(workdir)
    assert {file: there[file] for file in wanted} == wanted
    checkpoints.save(state(3), CONFIG, 0.1)
    assert Checkpoints(workdir).find("latest") == 3


def test_junk_that_was_there_when_a_checkpoint_was_sealed_may_go(workdir):
    folder = workdir / "checkpoints" / "2"
    (folder / ".DS_Store").write_bytes(b"x")
    manifest.seal(folder, 2)
    (folder / ".DS_Store").unlink()
    assert manifest.problems(folder, 2) == []
    (folder / "more").write_text("x")
    assert manifest.problems(folder, 2) == ["more does not belong to it"]


def test_it_is_not_copied_and_does_not_take_a_folder(workdir, tmp_path):
    (workdir / "checkpoints" / "2" / "weights" / "._x").write_bytes(b"x")
    out = tmp_path / "out"
    out.mkdir()
    (out / ".DS_Store").write_bytes(b"x")
    check_out(out)
    to = Checkpoints(out)
    Checkpoints(workdir, read_only=True).copy(2, to, CONFIG, 1.0, Calibration())
    assert not any(is_junk(path.name) for path in (out / "checkpoints").rglob("*"))
    (out / "x").touch()
    with pytest.raises(UserError, match="already exists"):
        check_out(out)


def test_files_that_are_open_elsewhere_may_stay(workdir, monkeypatch):
    """As network file systems keep them: what is removed leaves `.nfs` files for a while."""
    removed = workdir / "checkpoints" / "1.removed"
    removed.mkdir()
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    Checkpoints(workdir).save(state(3), CONFIG, 0.1)
    assert StepFolders(workdir / "checkpoints").steps() == [3]
    monkeypatch.undo()
    Checkpoints(workdir)
    assert [path.name for path in (workdir / "checkpoints").iterdir()] == ["3"]


def test_a_run_does_not_begin_anew_where_it_has_checkpoints(workdir):
    folder = workdir / "checkpoints"
    Checkpoints(workdir).check_not_lost()
    for step in (1, 2):
        (folder / str(step) / "config" / "metadata").write_text("x")
    before = contents(workdir)
    with pytest.raises(UserError, match=r"2 is damaged: config/metadata.*step 0; put a good"):
        Checkpoints(workdir).check_not_lost()
    assert contents(workdir) == before
    for step in (1, 2):
        (folder / str(step)).rename(folder / f"damaged-{step}")
    with pytest.raises(UserError, match=r"damaged and set aside \(damaged-1, damaged-2\)"):
        Checkpoints(workdir).check_not_lost()
    for step in (1, 2):
        (folder / f"damaged-{step}").rename(folder / f"{step}.partial")  # was never finished
    Checkpoints(workdir).check_not_lost()


def test_training_asks_before_it_begins_anew(tiny, workdir):
    from agejax.training.loop import train

    for folder in (workdir / "checkpoints").iterdir():
        (folder / "MANIFEST.json").unlink()
    with pytest.raises(UserError, match="training would begin anew at step 0"):
        train(tiny, workdir)


def replacing(checkpoints, monkeypatch, name, change, times=1):
    """Has `change` happen each of the first times that a method is called."""
    real, calls = getattr(checkpoints, name), iter(range(1000))

    def late(*args, **kwargs):
        if next(calls) < times:
            change()
        return real(*args, **kwargs)

    monkeypatch.setattr(checkpoints, name, late)


def parts(checkpoints):
    like = weights_of(state(9))
    return lambda step: (
        step,
        checkpoints.config(step),
        checkpoints.calibration(step),
        checkpoints.weights(step, like),
    )


@pytest.mark.parametrize("name", ["config", "calibration", "weights"])
@pytest.mark.parametrize("step", [2, 3])
def test_a_checkpoint_that_is_replaced_while_it_is_read_is_read_anew(
    workdir, monkeypatch, capsys, name, step
):
    """Its folder vanishes, or is another one of the same step, between any two readings."""
    trained, warm = Checkpoints(workdir), Calibration({"age": 2.0}, {}, 9)
    reader = Checkpoints(workdir, read_only=True)
    replace = lambda: trained.save(state(step), CONFIG, 0.1, warm)
    replacing(reader, monkeypatch, name, replace)
    found, _, calibration, weights = reader.read("latest", parts(reader))
    assert found == step
    assert calibration == warm
    assert same(weights, dict(weights_of(state(step))))
    assert capsys.readouterr() == ("", "")


def test_a_checkpoint_that_vanishes_while_it_is_looked_at_is_not_called_damaged(
    workdir, monkeypatch, capsys
):
    trained, real = Checkpoints(workdir), manifest.problems
    vanish = iter([lambda: trained.save(state(3), CONFIG, 0.1)])

    def problems(folder, *args):
        next(vanish, lambda: None)()
        return real(folder, *args)

    monkeypatch.setattr(manifest, "problems", problems)
    assert Checkpoints(workdir, read_only=True).find("latest") == 3
    assert capsys.readouterr() == ("", "")


def test_one_that_is_replaced_again_and_again_is_told(workdir, monkeypatch):
    trained, reader = Checkpoints(workdir), Checkpoints(workdir, read_only=True)
    replacing(reader, monkeypatch, "config", lambda: trained.save(state(2), CONFIG, 0.1), 99)
    with pytest.raises(Replaced, match="2 was replaced or removed while it was read; try again"):
        reader.read("latest", parts(reader))


def test_a_run_is_read_while_it_is_trained(workdir, capsys):
    """Every reading gives what some save wrote, all of one."""
    trained, over = Checkpoints(workdir), threading.Event()

    def train():
        for step in range(3, 9):
            trained.save(state(step), CONFIG, 1 / step, Calibration({}, {}, step))
        over.set()

    thread = threading.Thread(target=train)
    trained.save(state(2), CONFIG, 1 / 2, Calibration({}, {}, 2))
    thread.start()
    readings = 0
    while not over.is_set():
        reader = Checkpoints(workdir, read_only=True)
        step, _, calibration, weights = reader.read("best", parts(reader))
        assert calibration.n == step
        assert same(weights, dict(weights_of(state(step))))
        readings += 1
    thread.join()
    assert readings
    assert capsys.readouterr() == ("", "")


def test_figures_tell_which_weights_and_calibration_they_are_of(workdir):
    of = Checkpoints(workdir, read_only=True).identity(2)
    assert of.keys() == {"weights", "calibration"}
    assert other_than_evaluated(workdir, 2, of) is None
    folder = workdir / "checkpoints" / "2"
    (folder / "calibration").mkdir()
    (folder / "calibration" / "metadata").write_text('{"n": 3}')
    manifest.seal(folder, 2)
    assert other_than_evaluated(workdir, 2, of) == f"calibration other than {folder} has now"
    Checkpoints(workdir).save(state(2), CONFIG, 1.0)
    assert other_than_evaluated(workdir, 2, of) == f"weights other than {folder} has now"
    for step, told in ((5, of), (2, None), ("../2", of), (None, None)):
        assert other_than_evaluated(workdir, step, told) is None
