"""The build by Beam: the same as the plain one, on any runner, with any number of workers."""

import contextlib
import filecmp
import socket
import subprocess
import sys

import numpy as np
import pytest
from wiki_oracle import contents, records

import tfds_imdb_wiki
from agejax.data.imdb_wiki import of_folder
from agejax.errors import UserError
from tfds_imdb_wiki.build import build
from tfds_imdb_wiki.rows import SPLITS

RUNNERS = [
    "runner=DirectRunner,direct_num_workers=1",
    pytest.param(
        "runner=DirectRunner,direct_num_workers=4,direct_running_mode=multi_processing",
        marks=pytest.mark.battery,
    ),
    pytest.param("runner=BundleBasedDirectRunner", marks=pytest.mark.battery),
    pytest.param(  # the pipeline goes to a job service by the API of Flink, Spark and Dataflow
        "runner=PortableRunner,environment_type=LOOPBACK", marks=pytest.mark.battery
    ),
]


@contextlib.contextmanager
def job_service():
    """Where one listens that comes with Beam, and works."""
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    module = "apache_beam.runners.portability.local_job_service_main"
    service = subprocess.Popen([sys.executable, "-m", module, "--port", str(port)])
    try:
        yield f"localhost:{port}"
    finally:
        service.terminate()
        service.wait()


@pytest.mark.parametrize("options", RUNNERS)
def test_it_is_the_plain_build(archives, built, tmp_path, options):
    pytest.importorskip("apache_beam")
    with contextlib.ExitStack() as stack:
        if "Portable" in options:
            options += f",job_endpoint={stack.enter_context(job_service())}"
        folder = build("imdb", str(archives), str(tmp_path), beam_pipeline_options=options)
    plain = built / folder.relative_to(tmp_path)
    for name in ("drop_report.json", "archives.json", "dropped.csv"):
        assert filecmp.cmp(folder / name, plain / name, shallow=False), name
    for split in SPLITS:
        ours, theirs = (np.load(f / f"columns-{split}.npz") for f in (folder, plain))
        assert sorted(ours) == sorted(theirs)
        for name in set(ours) - {"image_start"}:  # protobuf orders a record's fields as it likes
            np.testing.assert_array_equal(ours[name], theirs[name])
        faces = of_folder(folder, split)  # finds the images by their own starts
        assert faces.read(faces.rows) == [row["image"] for row in records(folder, split)]
    assert contents(folder) == contents(plain)
    assert not list(folder.glob("notes-*"))


def test_without_beam_it_says_what_to_install(archives, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.delitem(sys.modules, "tfds_imdb_wiki.pipeline", raising=False)
    monkeypatch.delattr(tfds_imdb_wiki, "pipeline", raising=False)
    with pytest.raises(UserError, match=r"pip install -c constraints-beam.txt -e '.\[beam\]'"):
        build("imdb", str(archives), str(tmp_path), beam_pipeline_options="runner=DirectRunner")
