"""What the model card shows beside figures by group, and the benchmarks that measure it."""

import importlib
import json
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from agejax import pretrained
from agejax.pretrained.card_sections import BORDERS, heaping
from agejax.pretrained.model_card import markdown
from tests.conftest import ROOT


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module


@pytest.fixture
def said(monkeypatch, capsys):
    """Runs a benchmark's `main`, and gives what it prints."""

    def run(module, *args):
        monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, args)])
        module.main()
        return capsys.readouterr().out

    return run


def test_ages_that_pile_up_at_borders_show():
    even = np.full(101, 40)
    assert heaping(even) == heaping(even, [30]) == 1
    piled = even.copy()
    piled[[29, 30]] = 60
    assert heaping(piled, [30]) == 1.5
    assert 1 < heaping(piled) < 1.5
    assert heaping(piled, [20]) == 1
    assert heaping(np.zeros(101, int)) is None
    assert min(BORDERS) == 3  # two years before the first group's border


def test_the_card_has_a_section_for_what_it_has_figures_of():
    row = {"value": -30, "found": 0.5, "several": 0.25, "error": 6.5, "more": 0.3}
    none = {"error": None, "more": None, "more_interval": None}
    side = {"value": 0.5, "interval": [0.25, 0.75]}
    apart = {"difference": -0.125, "difference_interval": [-0.25, 0.0]}
    card = {key: of for key, of in pretrained.card().items() if key not in ("ages", "beside")}
    page = markdown(
        card
        | {
            "photos": {
                "faces": 8,
                "set": "imdb, test",
                "roll": [row | {"more_interval": [0.1, 0.6]}],
                "size": [row | {"value": 24} | none],
                "before": {"roll": [row | {"error": 9.0}], "size": [row | none]},
                "yaw": [
                    {"from": 0, "to": 10, "n": 1200, "error": 5.5, "interval": [5.0, 6.0]},
                    {"from": 10, "to": 20, "n": 0, "error": None, "interval": None},
                ],
            },
            "ages": {"set": "imdb", "exact": [4] * 101, "read": [0] * 101},
            "beside": {"imdb": {"gender": {"agejax": side, "other": side | apart}}},
            "false_faces": {"images": 70, "upright alone": 3, "with turned searches": 4},
        }
    )
    assert "| -30° | 50.0% | 25.0% | 6.50 | +0.30 (+0.10 to +0.60) | 50.0% | 9.00 |" in page
    assert "| 24 px | 50.0% | 25.0% |  |  | 50.0% |  |" in page
    assert "| 0 to 10° | 1,200 | 5.50 (5.00 to 6.00) |" in page
    assert "| 10 to 20° | 0 |  |" in page
    assert "| 9, 10 | 1.00 |  |" in page
    assert "| gender | 50.0% (25.0 to 75.0) | 50.0% (25.0 to 75.0); -12.5 (-25.0 to +0.0) |" in page
    assert "In 70 images without faces, the detector finds 4: 3 upright" in page


def test_the_card_takes_the_figures_of_peers(bench, said, tmp_path, monkeypatch):
    module = bench("model_card")
    peers = json.loads((ROOT / "benchmarks/results/peers/faces.json").read_text())
    figures = module.imdb_figures(peers["imdb"])
    of = peers["imdb"]["figures"]["mae"]["race and gender"]["black, male"]
    cell = figures["groups"]["race*gender"]["black, male"]
    assert (cell["n"], cell["mae"]) == (of["n"], of["sides"]["agejax"]["value"])
    ages = {"set": "imdb", "exact": peers["imdb"]["histogram"]["exact"], "read": [1] * 101}
    ET.fromstring(module.drawn(ages))

    card = tmp_path / "faces.json"
    card.write_text(pretrained.CARD.read_text())
    monkeypatch.setattr(pretrained, "CARD", card)
    monkeypatch.setattr(module, "DOCS", tmp_path)
    (tmp_path / "images").mkdir()
    file = tmp_path / "peers.json"
    file.write_text(json.dumps(peers | {"weights": pretrained.card()["file"]["sha256"]}))
    said(module, "--peers", file)
    assert json.loads(card.read_text())["figures"][module.IMDB] == figures
    assert "### Beside other packages: imdb" in (tmp_path / "model_card.md").read_text()
    file.write_text(json.dumps(peers | {"weights": "of others"}))
    with pytest.raises(SystemExit, match="other weights"):
        said(module, "--peers", file)


def test_rolls_and_sizes_are_measured_on_photos(
    bench, said, run, archives, built, tmp_path, monkeypatch
):
    module = bench("photos")
    monkeypatch.setattr(module, "TABLES", {"roll": ((-30, 0), 0), "size": ((8, 150), 150)})
    monkeypatch.setattr(module, "YAWS", (0, 90))
    data = ("--manual_dir", archives, "--data_dir", built, "--most", 2)
    printed = said(module, run, *data, "--json", tmp_path / "x.json")
    found = json.loads((tmp_path / "x.json").read_text())
    turned, level = found["roll"]
    assert level["found"] == 1
    assert (level["more"], level["more_interval"]) == (0, [0, 0])
    assert turned["found"] > 0
    assert abs(turned["more"]) < 20
    assert [(row["n"], row["error"]) for row in found["yaw"]] == [(2, level["error"])]
    tiny, usual = found["size"]
    assert tiny["found"] + tiny["several"] < 1  # 8 pixels are too few for the detector
    assert usual["error"] == level["error"]
    assert f"| 150 px | 100.0% | 0.0% | {usual['error']:.2f} | +0.00 (+0.00 to +0.00) |" in printed


@pytest.mark.parametrize("degrees", [-40, 0, 15, 60])
@pytest.mark.parametrize("roll", [0, 25])
def test_yaw_is_told_by_the_nose(bench, degrees, roll):
    eyes_and_nose = np.array([[-31.5, 0, 0], [31.5, 0, 0], [0, 42, 38]])  # mm; z is to the camera
    turn, tilt = np.radians([degrees, roll])
    x = eyes_and_nose[:, 0] * np.cos(turn) + eyes_and_nose[:, 2] * np.sin(turn)
    y = eyes_and_nose[:, 1]
    seen = np.stack([x * np.cos(tilt) - y * np.sin(tilt), x * np.sin(tilt) + y * np.cos(tilt)], 1)
    assert bench("photos").yaw(seen + 100) == pytest.approx(degrees)


def test_false_faces_are_counted(bench, said, tmp_path, monkeypatch):
    module = bench("false_faces")
    for kind in module.KINDS:
        assert np.shape(kind(np.random.default_rng(0))) == (480, 640, 3)
    monkeypatch.setattr(module, "KINDS", module.KINDS[:2])
    said(module, "--most", 1, "--json", tmp_path / "x.json")
    found = json.loads((tmp_path / "x.json").read_text())
    assert found["all"]["images"] == 2
    assert found["all"]["upright alone"] <= found["all"]["with turned searches"]
    square = module.shuffled(
        np.arange(300 * 300 * 3, dtype=np.uint8).reshape(300, 300, 3), np.random.default_rng(0)
    )
    assert square.shape[0] == square.shape[1] in (200, 320, 480)
