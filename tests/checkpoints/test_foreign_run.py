"""Folders of others: what their links and names lead to is not read, copied or overwritten."""

import json
import os
import shutil
import sys

import numpy as np
import pytest

import agejax
from agejax.checkpoints import manifest, own_data
from agejax.checkpoints.run_dir import of_the_run, read_checkpoint
from agejax.checkpoints.step_folders import StepFolders
from agejax.data.own_faces import own_faces
from agejax.data.pixels import Pixels
from agejax.data.tables.fairface import from_fairface
from agejax.data.tables.from_tfds import from_built
from agejax.data.tables.importers import Meaning
from agejax.data.tables.packed import open_packed, pack
from agejax.errors import NoSuchSplit, UserError
from agejax.evaluation.evaluate import evaluate
from agejax.evaluation.open_split import open_split
from agejax.experiments.recalibrate import recalibrate
from agejax.reports.write import write_report
from agejax.utils.import_by_name import name_of
from tests.data.test_stream import faces
from tests.saved import save
from tfds_imdb_wiki import __main__ as tfds_command


@pytest.fixture
def secret(tmp_path):
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / "key").write_text("mine")
    return folder


@pytest.fixture
def packed(tmp_path):
    some = faces(12)
    pack(some, np.repeat(["train", "validation", "test"], 4), tmp_path / "packed")
    return tmp_path / "packed"


def with_columns(file, **changes):
    with np.load(file) as npz:
        columns = dict(npz)
    np.savez(file, **columns | changes)


def test_a_split_of_a_pack_does_not_lead_out(packed):
    with_columns(packed / "faces.npz", split=np.repeat(["train", "../../x", "test"], 4))
    with pytest.raises(UserError, match=r"faces\.npz: a split is called '\.\./\.\./x'"):
        open_packed(packed)


def test_a_pack_is_not_read_through_links(packed, tmp_path):
    shutil.move(packed / "faces.array_record", tmp_path / "elsewhere")
    (packed / "faces.array_record").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is a symbolic link, which is not followed"):
        open_packed(packed)


@pytest.mark.parametrize("split", ["../../x", "/etc/x", "mine/../../x", "a\nb", ""])
def test_a_split_that_leads_out_is_refused_everywhere(run, tiny, split):
    own_data.remember(tiny)
    for attempt in (
        lambda: evaluate(of_the_run(run, {"eval.split": split}), run),
        lambda: open_split(tiny, split),
        lambda: write_report(run, split, faces=0),
    ):
        with pytest.raises(UserError, match="is called .*a split has a plain name") as told:
            attempt()
        assert not isinstance(told.value, NoSuchSplit)


@pytest.mark.parametrize("path", ["../../out.jpg", "/tmp/agejax-out.jpg", "a/../../out.jpg", ""])
def test_paths_of_a_built_set_do_not_lead_out(built, tmp_path, path):
    copy = shutil.copytree(next(built.glob("imdb_wiki/imdb/*")), tmp_path / "set")
    file = copy / "columns-test.npz"
    with np.load(file) as npz:
        paths = npz["path"].astype("U100")
    paths[-1] = path
    with_columns(file, path=paths)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(UserError, match="which leads out of a folder"):
        list(from_built(copy, tmp_path / "set" / "images"))
    assert set(tmp_path.rglob("*")) == before


def test_label_files_of_a_public_set_name_files_of_it(tmp_path):
    for part in ("train", "val"):
        rows = "file,age,gender,race\n/etc/x.jpg,3-9,Male,White\n../y.jpg,3-9,Male,White\n"
        rows += f"{part}/1.jpg,3-9,Male,White\n"
        (tmp_path / f"fairface_label_{part}.csv").write_text(rows)
        (tmp_path / part).mkdir()
        (tmp_path / part / "1.jpg").write_text(part)
    found = list(from_fairface(tmp_path, Meaning()))
    assert [row.cells and row.cells["path"] for row in found] == [
        *(None, None, str(tmp_path / "train/1.jpg")),
        *(None, None, str(tmp_path / "val/1.jpg")),
    ]


@pytest.mark.parametrize("hard", [False, True])
def test_a_link_in_a_shared_cache_is_not_written_to(tmp_path, secret, hard):
    cache = tmp_path / "cache"
    (made := Pixels(faces(4), 8, cache_dir=str(cache))).put(
        np.arange(4), np.zeros((4, 8, 8, 3), np.uint8)
    )
    del made
    (file,) = cache.iterdir()
    file.unlink()
    link = cache / f"{file.name}.partial"
    os.link(secret / "key", link) if hard else link.symlink_to(secret / "key")
    with pytest.raises(UserError, match=r"partial is a (symbolic )?link"):
        Pixels(faces(4), 8, cache_dir=str(cache))
    assert (secret / "key").read_text() == "mine"


def copied(run, tmp_path):
    return shutil.copytree(run, tmp_path / "run")


def test_calibrate_copies_what_the_manifest_lists_alone(run, tmp_path, secret, capsys):
    copy = copied(run, tmp_path)
    step = read_checkpoint(copy).step
    weights = copy / "checkpoints" / str(step) / "weights"
    (weights / "key").symlink_to(secret / "key")
    (weights / "all").symlink_to(secret)
    recalibrate(copy, tmp_path / "new")
    there = {file.name for file in (tmp_path / "new").rglob("*")}
    assert not {"key", "all"} & there
    assert StepFolders(tmp_path / "new" / "checkpoints").problems(step) == []


@pytest.mark.parametrize("place", ["eval", "export"])
def test_nothing_is_written_through_a_link_in_a_run(run, tmp_path, secret, place):
    copy = copied(run, tmp_path)
    shutil.rmtree(copy / place, ignore_errors=True)
    (copy / place).symlink_to(secret)
    attempts = {
        "eval": lambda: evaluate(of_the_run(copy, {}), copy),
        "export": lambda: agejax.export(copy, "stablehlo"),
    }
    with pytest.raises(UserError, match=f"{place} is a symbolic link"):
        attempts[place]()
    assert [file.name for file in secret.iterdir()] == ["key"]


@pytest.fixture
def step_folder(tmp_path):
    save(tmp_path / "run", 1)
    return tmp_path / "run" / "checkpoints" / "1"


def test_a_checkpoint_behind_a_link_is_none(step_folder, tmp_path):
    shutil.move(step_folder, tmp_path / "elsewhere")
    step_folder.symlink_to(tmp_path / "elsewhere")
    assert manifest.problems(step_folder, 1) == ["it is a symbolic link, which is not followed"]
    StepFolders(step_folder.parent).remove(1)
    assert not step_folder.is_symlink()
    assert (tmp_path / "elsewhere" / manifest.NAME).is_file()


def test_a_part_of_a_checkpoint_behind_a_link_is_missing(step_folder, tmp_path):
    shutil.move(step_folder / "weights", tmp_path / "elsewhere")
    (step_folder / "weights").symlink_to(tmp_path / "elsewhere")
    wrong = manifest.problems(step_folder, 1, ["weights"])
    assert wrong
    assert all(line.endswith("is missing") for line in wrong)


def test_a_manifest_that_names_files_elsewhere_is_damaged(step_folder, secret):
    entry = manifest._entry(secret / "key")
    for name in ("../../../secret/key", str(secret / "key")):
        (step_folder / manifest.NAME).write_text(manifest._text(1, {name: entry}))
        assert manifest.problems(step_folder, 1) == [f"its {manifest.NAME} names files outside it"]


def test_what_was_never_finished_is_removed_and_not_what_it_links_to(step_folder, secret):
    (step_folder.parent / "2.partial").symlink_to(secret)
    (step_folder.parent / "3.removed").symlink_to(secret)
    StepFolders(step_folder.parent).tidy()
    assert [folder.name for folder in step_folder.parent.iterdir()] == ["1"]
    assert (secret / "key").read_text() == "mine"


def test_a_foreign_run_is_exported_without_its_data(run, tmp_path, monkeypatch):
    from agejax.exporters.artefact import faces_of
    from agejax.exporters.function import Trained

    copy = copied(run, tmp_path)
    for folder in (copy / "checkpoints").iterdir():
        file = folder / "config" / "metadata"
        tree = json.loads(json.loads(file.read_text())["json"])
        tree["data"] |= {"source": name_of(own_faces), "path": "/secret/faces.csv"}
        file.write_text(json.dumps({"json": json.dumps(tree)}))
        manifest.seal(folder, int(folder.name))
    monkeypatch.setattr("agejax.data.own_faces.open_table", lambda *_: pytest.fail("opened"))
    crops, kind = faces_of(Trained.load(copy).config)
    assert kind == "painted faces"


def test_the_builder_does_not_import_from_the_folder_it_is_started_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    monkeypatch.setattr("sys.argv", ["tfds_imdb_wiki", "--help"])
    with pytest.raises(SystemExit):
        tfds_command.main()
    assert str(tmp_path) not in sys.path
