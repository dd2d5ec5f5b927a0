"""A .mat without its images, and whose terms hold for what was built."""

import json
import shutil

import pytest

from agejax.data.imdb_wiki import imdb_wiki
from agejax.errors import UserError
from tfds_imdb_wiki.build import build


def test_missing_images_are_counted_and_asked_for(small, tmp_path):
    manual = tmp_path / "manual"
    (manual / "imdb_crop").mkdir(parents=True)
    shutil.copy(small / "imdb_crop" / "imdb.mat", manual / "imdb_crop")
    with pytest.raises(UserError) as error:
        build("imdb", str(manual), str(tmp_path / "data"))
    said = str(error.value)
    assert said.startswith("split 'train' would be empty: ")
    count = int(said.split("empty: ")[1].split()[0])
    assert 0 < count < 48
    assert f"{count} image files are missing (imdb_crop/" in said
    assert f"they should lie in the folder {manual}/imdb_crop; " in said
    assert f"only {48 - count} of 48 rows are good" in said
    assert "give it more" not in said
    assert "\n" not in said


@pytest.mark.parametrize("painted", [0, 48])
def test_the_licence_is_that_of_the_data_and_not_of_a_setting(small, tmp_path, painted):
    for name in ("painted", "real"):
        shutil.copytree(small, tmp_path / name)
    mat = tmp_path / "real" / "imdb_crop" / "imdb.mat"
    mat.write_bytes(b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(116) + mat.read_bytes()[116:])
    licences = []
    for name in ("painted", "real"):
        places = {"manual_dir": str(tmp_path / name), "data_dir": str(tmp_path / f"{name} data")}
        faces = imdb_wiki("train", painted=painted, **places)
        assert ("citation" in faces.about) == (name == "real")
        licences.append(faces.about["licence"].split(",")[0])
    assert licences == [
        "Apache-2.0",
        "for academic research only; the photos belong to their owners",
    ]
    folder = next((tmp_path / "painted data").glob("imdb_wiki/imdb/*"))
    report = json.loads((folder / "drop_report.json").read_text())
    del report["painted"]  # one of before, which does not tell
    (folder / "drop_report.json").write_text(json.dumps(report))
    places = {"manual_dir": str(tmp_path / "painted"), "data_dir": str(tmp_path / "painted data")}
    assert imdb_wiki("train", **places).about["licence"].startswith("for academic research")
