import math
import xml.etree.ElementTree as ET

import pytest

from agejax.reports.markup import Markup, el, join
from agejax.reports.plots import (
    Axis,
    axis_around,
    band,
    bars,
    chart,
    dots,
    heat,
    line,
    note,
    round_ticks,
    standalone,
    whiskers,
)

X, Y = Axis("age, years", 0, 100), Axis("MAE, years", 0, 10)
# The frame of a chart without keys: 58 to 466 across, 252 up to 32.


def drawn(*marks, **more):
    """The elements of a chart that have a class, by it."""
    root = ET.fromstring(chart(X, Y, *marks, alt="a chart", **more))
    found = {}
    for element in root.iter():
        found.setdefault(element.get("class"), []).append(element)
    return found


def test_markup_is_escaped_once_and_says_what_it_is_given():
    inner = el("b", "1 < 2 & 3")
    assert inner == "<b>1 &lt; 2 &amp; 3</b>"
    assert el("p", inner, [1, None, " é"], class_="x", data_n=3, hidden=True, id=None) == (
        f'<p class="x" data-n="3" hidden>{inner}1 é</p>'
    )
    assert el("a", href='"><script>') == '<a href="&quot;&gt;&lt;script&gt;"></a>'
    assert el("br") == "<br>"
    assert join("<", Markup("<")) == "&lt;<"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-0.3, 0.31, [-0.2, 0, 0.2]),
        (3, 3.0001, [3, 3.00002, 3.00004, 3.00006, 3.00008, 3.0001]),
        (1e6, 3e6, [1e6, 1.5e6, 2e6, 2.5e6, 3e6]),
    ],
)
def test_ticks_are_round_and_inside(low, high, ticks):
    assert round_ticks(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("values", "zero", "ends"),
    [
        ([3.2, 9.7], False, (2, 10)),
        ([3.2, 9.7], True, (0, 10)),
        ([5, 5], False, (0, 10)),
        ([-4], False, (-8, 0)),
        ([0], False, (0, 1)),
        ([None, math.nan], False, (0, 1)),
    ],
)
def test_an_axis_holds_its_values(values, zero, ends):
    axis = axis_around("x", values, zero=zero)
    assert (axis.low, axis.high) == ends


def test_marks_lie_where_the_axes_say():
    found = drawn(dots([0, 100, 50], [0, 10, None], tips=["a<b", "", ""]), line([0, 100], [10, 0]))
    at = [(float(e.get("cx")), float(e.get("cy"))) for e in found["dot a"]]
    assert at == [(58, 252), (466, 32)]
    assert found["dot a"][0][0].text == "a<b"
    assert found["line a"][0].get("d") == "M58 32L466 252"


def test_gaps_stay_gaps():
    found = drawn(line([0, 25, 50, 75, 100], [1, 2, math.nan, 4, 5], "b", dashed=True))
    assert [e.get("d").count("L") for e in found["line b dashed"]] == [1, 1]
    found = drawn(band([0, 50, 100], [1, None, 1], [2, 2, 2]), whiskers([0, 1], [None, (1, 2)]))
    assert found["band a"][0].get("d") == "M58 208L466 208L466 230L58 230Z"
    assert found["whisker a"][0].get("d").count("M") == 1
    found = drawn(line([], []), band([], [], []), dots([], []), whiskers([], []), heat([], [], []))
    assert not {"line a", "band a", "dot a", "whisker a", "cell a"} & found.keys()


def test_bars_and_cells_fill_their_share_of_the_frame():
    found = drawn(bars([50], [5], 20), bars([5], [100], 2, "b", across=True))
    up, across = ({k: float(v.get(k)) for k in ("x", "y", "width", "height")} for v in (
        found["bar a"][0], found["bar b"][0]))  # fmt: skip
    assert (up["x"], up["y"], up["width"], up["height"]) == (221.2, 142, 81.6, 110)
    assert (across["x"], across["y"], across["width"]) == (58, 120, 408)
    cells = drawn(heat([0, 50, 100], [0, 5, 10], [[0, 4], [1, 0]], tip="{:d} faces"))["cell a"]
    assert [cell[0].text for cell in cells] == ["4 faces", "1 faces"]
    assert [float(cell.get("fill-opacity")) for cell in cells] == [1, 0.56]


def test_a_chart_names_its_axes_ticks_and_keys_and_can_stand_alone():
    svg = chart(
        Axis("where", 0, 1, ticks=[0, 1], names=["<here>", "there"]),
        Axis("share", 0, 1, form=".0%"),
        note(0.5, 0.5, "& so on"),
        keys=[("a", "ours"), ("muted", "theirs")],
        alt='they say "hello"',
    )
    texts = ["".join(e.itertext()) for e in ET.fromstring(svg).iter() if e.tag.endswith("text")]
    assert {"where", "share", "<here>", "there", "100%", "& so on"} <= set(texts)
    assert any("ours" in text and "theirs" in text for text in texts)
    root = ET.fromstring(standalone(svg))
    assert "prefers-color-scheme: dark" in root[0].text
    assert root.get("aria-label") == 'they say "hello"'
