"""The page's detector, in JavaScript, has the thresholds of the one in Python."""

import json
import re
from pathlib import Path

import pytest

from agejax.data import face_detection
from agejax.exporters import web

PAGE = Path(web.__file__).with_name("page") / "faces.js"


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("SURE", "_SURE"),
        ("TURNS", "_TURNS"),
        ("TURNED_SCALE", "_TURNED_SCALE"),
        ("TURNED_SURE", "_TURNED_SURE"),
    ],
)
def test_a_threshold_of_the_page_is_that_of_python(there, here):
    (value,) = re.findall(rf"\b{there} = (\[[^]]*\]|[\d.]+)", PAGE.read_text(encoding="utf-8"))
    found = json.loads(value)
    assert (tuple(found) if isinstance(found, list) else found) == getattr(face_detection, here)
