"""Writing beside what others have put there: no link is written through."""

import os

import pytest

from agejax.checkpoints.lock import one_run
from agejax.errors import UserError
from agejax.utils.atomic_write import write_text
from agejax.utils.files import check_no_links, no_link, replacing, within, write_new
from agejax.utils.plain_names import check_split, is_inside, is_plain


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("kept")
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("x.json", f".x.json.{os.getpid()}", "x.json.partial"):
        (folder / name).symlink_to(victim)
    write_text(folder / "x.json", "new")
    assert (victim.read_text(), (folder / "x.json").read_text()) == ("kept", "new")
    assert not (folder / "x.json").is_symlink()
    assert len(names(folder)) == 3


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    file = tmp_path / "x"
    file.write_text("before")

    def write():
        with replacing(file) as beside:
            beside.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert names(tmp_path) == ["x"]
    assert file.read_text() == "before"


def test_the_mask_of_the_user_holds_for_what_is_written(tmp_path):
    mask = os.umask(0o027)
    try:
        write_text(tmp_path / "x", "x")
    finally:
        os.umask(mask)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_a_new_file_takes_nothings_place(tmp_path):
    write_new(tmp_path / "a" / "b", b"1")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for taken in (tmp_path / "a" / "b", tmp_path / "link"):
        with pytest.raises(FileExistsError):
            write_new(taken, b"2")
    assert not (tmp_path / "gone").exists()


def test_links_within_a_folder_are_told(tmp_path):
    run = tmp_path / "run"
    (run / "eval").mkdir(parents=True)
    assert within(run, "eval", "test.png") == run / "eval" / "test.png"
    check_no_links(run)
    (run / "eval" / "mine").symlink_to(tmp_path)
    for attempt in (lambda: within(run, "eval", "mine", "x"), lambda: check_no_links(run)):
        with pytest.raises(UserError, match="mine is a symbolic link, which is not followed"):
            attempt()


@pytest.mark.parametrize("name", [".lock", "metrics.jsonl", "eval", "checkpoints", "profile/x"])
def test_a_run_does_not_write_through_links_in_its_folder(tmp_path, name):
    victim = tmp_path / "victim"
    victim.write_text("kept")
    run = tmp_path / "run"
    (run / name).parent.mkdir(parents=True)
    (run / name).symlink_to(victim)
    with pytest.raises(UserError, match="is a symbolic link"), one_run(run):
        pass
    assert victim.read_text() == "kept"
    with pytest.raises(UserError, match="is a symbolic link"):
        no_link(str(run / name), os.O_WRONLY | os.O_APPEND)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "/x", "a/b", "a\\b", "a\0", "\u202ex", " x", "~", "x" * 201, 5]
)
def test_names_that_are_not_plain(name):
    assert not is_plain(name)
    if name != "a/b":
        with pytest.raises(UserError, match="the split is called"):
            check_split(name)


@pytest.mark.parametrize(
    "name", ["test", "mine/test", "learning_rate=0.1", "alters klasse", "年齢"]
)
def test_names_that_are(name):
    assert all(map(is_plain, name.split("/")))
    check_split(name)


def test_paths_that_stay_inside():
    assert all(map(is_inside, ["a", "a/b.jpg", "a..b/c", ".x/y"]))
    assert not any(map(is_inside, ["", "/a", "../a", "a/../b", "a//b", "a/", "a\0b", "./a"]))
