"""The page of `agejax compare --html`."""

import json
import re
import shutil

import numpy as np
import pytest

from tests.browser import cut_off, served
from tests.commands import agejax_command
from tests.experiments.test_compare import AGE, N, arrays
from tests.report.test_report import _OUTSIDE

NAME = "tool & <i>odd, with a long name.csv"


@pytest.fixture
def sides(tmp_path):
    """Ours, and a table of ages that are two years too high."""
    np.savez_compressed(tmp_path / "ours.npz", **arrays(noise=3, seed=1))
    lines = [f"{i:04}.jpg,{age + 2}" for i, age in enumerate(AGE)]
    (tmp_path / NAME).write_text("\n".join(["path,age", *lines]))
    return tmp_path / "ours.npz", tmp_path / NAME


def test_the_page_has_the_table_and_the_plots(sides, tmp_path, capsys, monkeypatch):
    page = tmp_path / "page.html"
    code, out, err = agejax_command(
        capsys, monkeypatch, "compare", *sides, "--json", "--html", page
    )
    assert (code, err) == (0, "")
    of = json.loads(out)["sides"][NAME]["age"]
    text = page.read_text(encoding="utf-8")
    assert "<i>odd" not in text
    assert f'data-label="mean">{of["value"]:.2f}</td>' in text
    assert f'data-label="difference">{of["difference"]:+.2f}</td>' in text
    assert text.count("limits of agreement") == 4  # each with the truth, one with the other, text
    assert "true age: bias +2.00 years" in text
    assert "CS@5" in text
    assert "nan" not in " ".join(re.findall(r' d="([^"]*)"', text))


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it_whole(sides, browser, tmp_path, capsys, monkeypatch, width):
    other = shutil.copy(sides[0], tmp_path / "again.npz")
    page = tmp_path / "page.html"
    assert agejax_command(capsys, monkeypatch, "compare", *sides, other, "--html", page)[0] == 0
    with (
        served(tmp_path) as (url, _),
        browser.new_context(viewport={"width": width, "height": 900}) as context,
    ):
        shown = context.new_page()
        shown.goto(url + "page.html")
        assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert cut_off(shown, "main *:not(svg *):not(thead, thead *)") == []
        assert shown.locator("svg.plot text").evaluate_all(_OUTSIDE) == []


def test_ages_that_are_not_known_exactly_are_no_agreement(tmp_path, capsys, monkeypatch):
    ranges = arrays(noise=3) | {"age_upto": (AGE + 9).astype(np.int32)}
    np.savez_compressed(tmp_path / "ours.npz", **ranges)
    lines = [f"{i:04}.jpg,{50}" for i in range(N)]
    (tmp_path / "t.csv").write_text("\n".join(["path,age", *lines]))
    page = tmp_path / "page.html"
    args = (tmp_path / "ours.npz", tmp_path / "t.csv", "--html", page)
    assert agejax_command(capsys, monkeypatch, "compare", *args)[0] == 0
    text = page.read_text(encoding="utf-8")
    assert "minus true age" not in text
    assert "t.csv minus ours.npz" in text
