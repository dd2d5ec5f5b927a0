import io
import tarfile

import pytest

from agejax.errors import UserError
from tfds_imdb_wiki.archive import Archive, find_archive


@pytest.fixture
def manual(tmp_path):
    """A folder and a tar of the same few files, and a secret beside them."""
    folder = tmp_path / "imdb_crop"
    (folder / "00").mkdir(parents=True)
    (folder / "00" / "a.jpg").write_bytes(b"a")
    (folder / "imdb.mat").write_bytes(b"mat")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    with tarfile.open(tmp_path / "imdb_crop.tar", "w") as tar:
        tar.add(folder, "imdb_crop")
    return tmp_path


@pytest.fixture(params=["folder", "tar"])
def archive(request, manual):
    return Archive(manual / ("imdb_crop" if request.param == "folder" else "imdb_crop.tar"))


def test_a_file_is_read_by_its_name(archive):
    assert archive.read("00/a.jpg") == b"a"
    assert archive.read("imdb.mat") == b"mat"


@pytest.mark.parametrize(
    "name",
    [
        "00/b.jpg",
        "00",
        "00/a.jpg/more",
        "",
        "../secret.jpg",
        "00/../../secret.jpg",
        "../../../../../../../../etc/passwd",
        "/etc/passwd",
        "//etc/passwd",
        "..",
        "00/a.jpg\0",
        "\0",
    ],
)
def test_what_is_not_a_file_inside_the_archive_is_not_there(name, archive, monkeypatch, manual):
    monkeypatch.chdir(manual)
    assert archive.read(name) is None


def test_absolute_names_are_not_there_even_inside_the_archive(archive, manual):
    assert archive.read(str(manual / "imdb_crop" / "00" / "a.jpg")) is None


def test_names_with_spaces_and_accents_are_found(tmp_path):
    (tmp_path / "c" / "00").mkdir(parents=True)
    (tmp_path / "c" / "00" / "Zoë 1.jpg").write_bytes(b"zoe")
    with tarfile.open(tmp_path / "c.tar", "w") as tar:
        tar.add(tmp_path / "c", "./imdb_crop")
    for path in ("c", "c.tar"):
        assert Archive(tmp_path / path).read("00/Zoë 1.jpg") == b"zoe"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_in_a_tar_is_not_followed(kind, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    member = tarfile.TarInfo("imdb_crop/00/a.jpg")
    member.type, member.linkname = kind, str(tmp_path / "secret.jpg")
    with tarfile.open(tmp_path / "imdb_crop.tar", "w") as tar:
        tar.addfile(member)
    assert Archive(tmp_path / "imdb_crop.tar").read("00/a.jpg") is None


def test_a_device_in_a_tar_is_no_file(tmp_path):
    member = tarfile.TarInfo("imdb_crop/00/a.jpg")
    member.type = tarfile.CHRTYPE
    with tarfile.open(tmp_path / "imdb_crop.tar", "w") as tar:
        tar.addfile(member)
    assert Archive(tmp_path / "imdb_crop.tar").read("00/a.jpg") is None


def test_a_tar_leaves_no_file_behind(manual):
    before = sorted(manual.rglob("*"))
    Archive(manual / "imdb_crop.tar").read("00/a.jpg")
    assert sorted(manual.rglob("*")) == before


def packed(n=6, form=tarfile.GNU_FORMAT):
    """A tar of `n` files of some hundred bytes each, and where each member's header begins."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for i in range(n):
            member = tarfile.TarInfo(f"imdb_crop/00/{i}.jpg")
            member.size = 700
            tar.addfile(member, io.BytesIO(bytes([i + 1]) * 700))
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        return out.getvalue(), [member.offset for member in tar]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_tar_is_read(form, tmp_path):
    (tmp_path / "imdb_crop.tar").write_bytes(packed(form=form)[0])
    archive = Archive(tmp_path / "imdb_crop.tar")
    assert [archive.read(f"00/{i}.jpg") for i in range(6)] == [
        bytes([i + 1]) * 700 for i in range(6)
    ]


@pytest.mark.parametrize(
    "into", [512 + 100, 512 + 700, 512, 300, 0], ids=lambda n: f"{n}_bytes_into_a_member"
)
def test_a_tar_that_ends_early_is_refused(into, tmp_path):
    data, starts = packed()
    (tmp_path / "imdb_crop.tar").write_bytes(data[: starts[3] + into])
    with pytest.raises(UserError, match="not a complete tar archive"):
        Archive(tmp_path / "imdb_crop.tar")


def test_a_tar_with_a_damaged_header_in_its_middle_is_refused(tmp_path):
    data, starts = packed()
    damaged = data[: starts[3]] + bytes(range(256)) * 2 + data[starts[3] + 512 :]
    (tmp_path / "imdb_crop.tar").write_bytes(damaged)
    with pytest.raises(UserError, match="not a complete tar archive"):
        Archive(tmp_path / "imdb_crop.tar")


@pytest.mark.parametrize("data", [b"", b"<html>404 Not Found</html>" * 99, b"PK\3\4" + bytes(600)])
def test_what_is_no_tar_is_refused(data, tmp_path):
    (tmp_path / "imdb_crop.tar").write_bytes(data)
    with pytest.raises(UserError, match="not a complete tar archive"):
        Archive(tmp_path / "imdb_crop.tar")


def test_the_unpacked_folder_is_taken_before_the_tar(manual):
    assert find_archive(manual, "imdb") == manual / "imdb_crop"


def test_a_folder_without_its_mat_is_passed_over_for_the_tar(manual):
    (manual / "imdb_crop" / "imdb.mat").unlink()
    assert find_archive(manual, "imdb") == manual / "imdb_crop.tar"


def test_an_archive_of_the_other_kind_is_none(manual):
    assert find_archive(manual, "wiki") is None


@pytest.mark.parametrize("name", ["./00/a.jpg", "00//a.jpg", "00/../00/a.jpg"])
def test_folder_and_tar_agree_on_roundabout_names(name, manual):
    folder, tar = Archive(manual / "imdb_crop"), Archive(manual / "imdb_crop.tar")
    assert folder.read(name) == tar.read(name)


@pytest.mark.parametrize(
    "name", ["00/" + "a" * 300 + ".jpg", "00/" + "a/" * 3000 + "b.jpg"], ids=["file", "path"]
)
def test_a_name_longer_than_any_file_is_not_there(name, archive):
    assert archive.read(name) is None
