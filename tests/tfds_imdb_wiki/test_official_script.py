import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from wiki_oracle import contents, dropped, report

ROOT = Path(__file__).parents[2]
NEEDED = ("tensorflow", "apache_beam", "mlcroissant")  # which the script imports at its start

pytestmark = pytest.mark.skipif(
    any(find_spec(module) is None for module in NEEDED), reason="needs the extra tfds-cli"
)


@pytest.fixture(scope="module")
def scripts(archives, tmp_path_factory):
    """The folders that TFDS's script and our command built."""
    data = tmp_path_factory.mktemp("scripts")
    python = Path(sys.executable)
    commands = {
        "tfds": [python.with_name("tfds"), "build", "tfds_imdb_wiki"],
        "ours": [python, "-m", "tfds_imdb_wiki", "build"],
    }
    for name, command in commands.items():
        done = subprocess.run(
            [*command, "--config", "imdb", "--manual_dir", archives, "--data_dir", data / name],
            cwd=ROOT,
            env=os.environ | {"HTTPS_PROXY": "http://127.0.0.1:9"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    return {name: data / name / "imdb_wiki" / "imdb" / "2.0.0" for name in commands}


def test_the_official_script_builds_the_same_records(scripts):
    assert contents(scripts["tfds"]) == contents(scripts["ours"])
    assert report(scripts["tfds"]) == report(scripts["ours"])
    assert dropped(scripts["tfds"]) == dropped(scripts["ours"])


def test_the_official_script_writes_array_record_though_its_default_is_tfrecord(scripts):
    info = json.loads((scripts["tfds"] / "dataset_info.json").read_text())
    assert info["fileFormat"] == "array_record"
    assert list(scripts["tfds"].glob("*.array_record*"))
    assert not list(scripts["tfds"].glob("*.tfrecord*"))
