"""The public functions: what docs/api.md shows, what they leave alone, and how they refuse."""

import os
import re
import shutil
import signal
import sys
import typing
import warnings
from logging import getLogger

import numpy as np
import pytest
from PIL import Image

import agejax
from agejax import api
from agejax.errors import UserError
from agejax.training import loop
from agejax.utils.notes import note, printed, warn
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture
def place(run, archives, built, tmp_path, monkeypatch):
    """The current folder of the examples: archives, built data, a run and a photo."""
    (tmp_path / "archives").symlink_to(archives)
    (tmp_path / "data").symlink_to(built)
    shutil.copytree(run, tmp_path / "runs" / "b")
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "photos" / "face.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def surroundings():
    """What a call must leave as it is."""
    return {
        "environment": dict(os.environ),
        "path": list(sys.path),
        "argv": list(sys.argv),
        "filters": list(warnings.filters),
        "hooks": (sys.unraisablehook, sys.excepthook),
        "levels": {name: getLogger(name).level for name in ("", "absl", "asyncio", "agejax")},
        "log filters": {name: list(getLogger(name).filters) for name in ("absl", "asyncio")},
        "handlers": {name: list(getLogger(name).handlers) for name in ("", "absl", "agejax")},
        "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
    }


# It trains, compiles an ensemble and checks an export: 20 to 40 s on a machine without a cache.
def test_the_examples_of_the_documentation(place, capfd):
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    before, names, said = surroundings(), {}, []
    names["print"] = lambda *words: said.append(" ".join(map(str, words)))
    sections = re.findall(r"^## (\w+)$.*?```python\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    assert {name for name, _ in sections} == set(agejax._FUNCTIONS)
    for name, code in sections:
        exec(compile(code, f"docs/api.md, {name}", "exec"), names)
    assert capfd.readouterr() == ("", "")
    assert surroundings() == before
    assert len(said) == len(sections)
    assert (place / "runs" / "b" / "eval" / "test.html").is_file()
    assert (place / "b.onnx").is_file()


def test_the_signatures_have_no_any():
    for name in agejax._FUNCTIONS:
        hints = typing.get_type_hints(getattr(agejax, name))
        assert "return" in hints
        assert "Any" not in repr(hints), name


def test_the_functions_are_not_hidden_by_modules_of_their_names():
    import agejax.exporters.artefact
    import agejax.reports.write

    assert all(callable(getattr(agejax, name)) for name in agejax._FUNCTIONS)
    assert set(agejax._FUNCTIONS) <= set(dir(agejax))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        agejax.trian  # noqa: B018


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such config"),
        ("import sys\ndef get_config():\n    sys.exit('no')\n", "line 3: SystemExit: no"),
        ("def get_config():\n    return 1 / 0\n", "line 2: ZeroDivisionError"),
        (
            "from agejax.config import default as get_config\n"
            "get_sweep = lambda: [('a', {'seed': 1}), ('b', {'seed': 2})]\n",
            "is a sweep",
        ),
    ],
)
def test_a_config_file_that_cannot_be_trained_is_a_user_error(tmp_path, text, said):
    file = tmp_path / "mine.py"
    if text:
        file.write_text(text)
    with pytest.raises(UserError, match=said):
        agejax.train(file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_setting_is_checked_as_those_of_a_command_are(tiny, tmp_path):
    with pytest.raises(UserError, match=r"did you mean config\.train\.steps"):
        agejax.train(tiny, tmp_path / "run", settings={"train.stesp": 5})
    with pytest.raises(UserError, match="no trained run"):
        agejax.evaluate(tmp_path / "run")
    with pytest.raises(UserError, match="no export to 'tflite'"):
        agejax.export(tmp_path / "run", "tflite")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="faces is -1"):
        agejax.report(tmp_path / "run", faces=-1)


@pytest.mark.parametrize("asked", [False, True])
def test_signals_are_taken_where_that_is_asked_for(tiny, tmp_path, monkeypatch, asked):
    taken = []

    def work(*_):
        taken.append(signal.getsignal(signal.SIGTERM))
        raise UserError("enough")

    monkeypatch.setattr(loop, "_train", work)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(UserError, match="enough"):
        agejax.train(tiny, tmp_path / "run", save_on_signal=asked)
    assert (taken[0] is not before) == asked
    assert signal.getsignal(signal.SIGTERM) is before


def test_stopped_is_no_exit():
    assert issubclass(agejax.Stopped, KeyboardInterrupt)
    assert not issubclass(agejax.Stopped, SystemExit)
    assert api.Predictor is agejax.Predictor


def test_notes_are_printed_where_that_is_asked_for(capsys):
    note("one"), warn("two")
    with printed(False):
        note("three")
    assert capsys.readouterr() == ("", "")
    with printed(), printed():
        note("four"), warn("five")
    assert capsys.readouterr() == ("four\n", "five\n")
    note("six")
    assert capsys.readouterr() == ("", "")
