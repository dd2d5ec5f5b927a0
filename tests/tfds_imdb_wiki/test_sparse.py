"""Sparse files in a tar, which it stores without their zeros."""

import io
import shutil
import subprocess
import tarfile

import pytest

from agejax.errors import UserError
from tfds_imdb_wiki.archive import Archive

FORMATS = ["gnu", "posix", "posix --sparse-version=0.0", "posix --sparse-version=0.1"]


def has_gnu_tar():
    tar = shutil.which("tar")
    told = tar and subprocess.run([tar, "--version"], capture_output=True, text=True).stdout
    return bool(told) and "GNU" in told


def write_with_holes(file, data):
    """What `tar` sees as sparse: blocks of zeros are not written."""
    with file.open("wb") as out:
        for at in range(0, len(data), 4096):
            if any(block := data[at : at + 4096]):
                out.seek(at)
                out.write(block)
        out.truncate(len(data))


@pytest.mark.skipif(not has_gnu_tar(), reason="needs GNU tar")
@pytest.mark.parametrize("form", FORMATS)
def test_a_sparse_file_is_read_whole(tmp_path, form):
    files = {
        "a.jpg": b"\xff\xd8begin" + bytes(200_000) + b"middle" + bytes(70_000) + b"end",
        "b.jpg": b"\xff\xd8" + bytes(65_536),
        "c.jpg": bytes(40_000),
        "d.jpg": b"plain",
        "e.jpg": b"".join(b"x" * 4096 + bytes(8192) for _ in range(60)),
    }
    (tmp_path / "imdb_crop").mkdir()
    for name, data in files.items():
        write_with_holes(tmp_path / "imdb_crop" / name, data)
    args = ["--sparse", "--hole-detection=raw", *f"--format={form}".split()]
    subprocess.run(["tar", "cf", "imdb_crop.tar", *args, "imdb_crop"], cwd=tmp_path, check=True)
    assert (tmp_path / "imdb_crop.tar").stat().st_size < 350_000
    archive = Archive(tmp_path / "imdb_crop.tar")
    for name, data in files.items():
        assert archive.read(name) == data
        assert archive.piece(name).read() == data


@pytest.mark.parametrize(
    ("size", "parts", "said"),
    [
        (10, "0,4,2,4", "parts of the sparse file imdb_crop/a.jpg overlap"),
        (10, "0,-4", "overlap"),
        (10, "-4,4", "overlap"),
        (10, "8,4", "is of 10 bytes"),
        (1 << 40, "0,4", "is of 1,099,511,627,776 bytes"),
        (10, "0,x", "not a complete tar archive"),
    ],
)
def test_a_map_that_cannot_be_is_one_line(tmp_path, size, parts, said):
    with tarfile.open(tmp_path / "imdb_crop.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("imdb_crop/a.jpg")
        member.size = 4
        member.pax_headers = {"GNU.sparse.map": parts, "GNU.sparse.size": str(size)}
        tar.addfile(member, io.BytesIO(b"abcd"))
    with pytest.raises(UserError, match=said) as error:
        Archive(tmp_path / "imdb_crop.tar")
    assert "\n" not in str(error.value)
