import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from wiki_oracle import report

from tfds_imdb_wiki import __main__ as command
from tfds_imdb_wiki import tfds_imdb_wiki_dataset_builder as builder
from tfds_imdb_wiki.build import build

ROOT = Path(__file__).parents[2]
NO_NETWORK = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}


def no_manual_dir(folder, small):
    folder.rmdir()


def unknown_config(folder, small):
    shutil.copytree(small, folder, dirs_exist_ok=True)


def random_mat(folder, small):
    whole(folder, small).write_bytes(np.random.default_rng(0).bytes(3000))


def truncated_mat(folder, small):
    mat = whole(folder, small)
    mat.write_bytes(mat.read_bytes()[:-500])


def mat_of_another_struct(folder, small):
    scipy.io.savemat(whole(folder, small), {"wiki": {"dob": [1, 2, 3]}})


def truncated_tar(folder, small):
    data = tarred(small / "imdb_crop")
    (folder / "imdb_crop.tar").write_bytes(data[: len(data) // 2])


def text_as_tar(folder, small):
    (folder / "imdb_crop.tar").write_text("<html><body>404 Not Found</body></html>\n" * 50)


def tar_without_mat(folder, small):
    (folder / "imdb_crop.tar").write_bytes(tarred(small / "imdb_crop", without="imdb.mat"))


def no_row_good(folder, small):
    mat = whole(folder, small)
    struct = scipy.io.loadmat(io.BytesIO(mat.read_bytes()))["imdb"]
    struct[0, 0]["face_score"][:] = -np.inf
    scipy.io.savemat(mat, {"imdb": struct})


def no_image_good(folder, small):
    whole(folder, small)
    for image in (folder / "imdb_crop").rglob("*.jpg"):
        image.write_bytes(b"404")


def whole(folder, small):
    """A copy of the small archive; its .mat."""
    shutil.copytree(small, folder, dirs_exist_ok=True)
    return folder / "imdb_crop" / "imdb.mat"


def tarred(folder, without=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        keep = lambda member: None if member.name.endswith(str(without)) else member
        tar.add(folder, folder.name, filter=keep)
    return out.getvalue()


# What spoils a manual folder, and what the error then speaks of, {} being that folder.
CASES = {
    no_manual_dir: ["{}: no such folder", "--manual_dir"],
    unknown_config: ["'imbd'", "imdb, wiki, imdb_wiki"],
    random_mat: ["{}/imdb_crop/imdb.mat: not a readable imdb.mat"],
    truncated_mat: ["{}/imdb_crop/imdb.mat: not a readable imdb.mat"],
    mat_of_another_struct: ["{}/imdb_crop/imdb.mat: not a readable imdb.mat", "KeyError"],
    truncated_tar: ["{}/imdb_crop.tar: not a complete tar archive"],
    text_as_tar: ["{}/imdb_crop.tar: not a complete tar archive"],
    tar_without_mat: ["{}/imdb_crop.tar: there is no imdb.mat in it"],
    no_row_good: ["only 0 of 48 rows are good"],
    no_image_good: ["would be empty", "of 48 rows"],
}


each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)


def spoiled(case, small, tmp_path):
    """The spoiled manual folder, and the arguments of a build from it into `tmp_path/data`."""
    manual = tmp_path / "manual"
    manual.mkdir()
    case(manual, small)
    config = "imbd" if case is unknown_config else "imdb"
    return manual, [
        *("build", "--config", config),
        *("--manual_dir", str(manual), "--data_dir", str(tmp_path / "data")),
    ]


def errors(stderr):
    """The `error: ...` lines; there is no traceback among them."""
    assert "Traceback" not in stderr
    return [s for s in stderr.replace("\r", "\n").splitlines() if s.startswith("error: ")]


@each_case
def test_it_is_told_in_one_line_and_leaves_nothing_that_looks_built(
    case, small, tmp_path, monkeypatch, capsys
):
    manual, args = spoiled(case, small, tmp_path)
    monkeypatch.setattr(sys, "argv", ["tfds_imdb_wiki", *args])
    with pytest.raises(SystemExit) as stopped:
        command.main()
    assert stopped.value.code == 2
    (line,) = errors(capsys.readouterr().err)
    for words in CASES[case]:
        assert words.format(manual) in line
    assert not (tmp_path / "data" / "imdb_wiki" / "imdb" / "2.0.0").exists()
    assert not list(tmp_path.rglob("dataset_info.json"))


@pytest.mark.parametrize("case", [random_mat, no_image_good], ids=lambda case: case.__name__)
def test_the_command_fails_with_one_line_and_a_good_build_then_succeeds(case, small, tmp_path):
    _, args = spoiled(case, small, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "tfds_imdb_wiki", *args],
        cwd=ROOT,
        env=os.environ | NO_NETWORK,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert len(errors(done.stderr)) == 1
    assert report(build("imdb", str(small), str(tmp_path / "data")))["kept"] == 48


@pytest.mark.parametrize("there", [[], ["imdb_crop"]], ids=["empty", "folder_without_mat"])
def test_without_an_archive_and_a_network_it_says_what_to_fetch_and_where_to_put_it(
    there, tmp_path, monkeypatch, capsys
):
    manual = tmp_path / "manual"
    for name in ("", *there):
        (manual / name).mkdir()
    monkeypatch.setattr(builder, "_URL", "https://127.0.0.1:9/static")
    argv = ["tfds_imdb_wiki", "build", "--manual_dir", str(manual), "--data_dir", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as stopped:
        command.main()
    assert stopped.value.code == 2
    (line,) = errors(capsys.readouterr().err)
    assert line.startswith(f"error: {manual}: ")
    for words in ("imdb_crop.tar", "https://127.0.0.1:9/static/imdb_crop.tar", "put it there"):
        assert words in line
    assert not list(tmp_path.rglob("dataset_info.json"))


def test_the_official_address_is_the_one_that_is_fetched():
    assert builder._URL == "https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/static"
    for name in ("imdb_crop.tar", "wiki_crop.tar"):
        assert f"{builder._URL}/{name}" in builder.ImdbWiki.MANUAL_DOWNLOAD_INSTRUCTIONS
