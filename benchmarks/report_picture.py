"""README's picture of a report's thresholds and crossed groups, from kept predictions: no faces.

    python benchmarks/report_picture.py benchmarks/results/six-even.npz --attributes attributes.csv

Writes docs/images/thresholds.png as Chromium shows it, which Playwright starts (the extra `test`),
and exits if a part of the page passes its right edge at the width of a desktop or a phone.
"""

import argparse
import io
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from agejax.data.attributes import read_attributes
from agejax.data.faces import Faces
from agejax.evaluation.predictions import read_predictions
from agejax.evaluation.summary import evaluation_figures
from agejax.metrics.calibration import Calibration
from agejax.reports.document import document
from agejax.reports.groups import group_table, scale_of
from agejax.reports.markup import el
from agejax.reports.thresholds import thresholds

OUT = Path(__file__).parents[1] / "docs" / "images" / "thresholds.png"
WIDTHS = 960, 390  # the first is that of the picture
EDGE = 24  # pixels around the section
CROSS = "race*gender"


def figures_of(file, attributes):
    """The figures of kept predictions, at 18 years and by race and gender."""
    kept = read_predictions(file)
    p = {t: kept[f"{t}_probabilities"].astype(np.float64) for t in ("age", "gender")}
    n = len(kept["path"])
    faces = Faces(
        path=kept["path"],
        labels={task: kept[f"{task}_label"] for task in p},
        known={task: kept[f"{task}_known"] for task in p},
        sha256=kept["path"],
        read=lambda rows: [],
        rows=np.arange(n),
        person=kept["person"],
    )
    raw = {task: of / of.sum(-1, keepdims=True) for task, of in p.items()}
    race = {"race": read_attributes(attributes, faces.path)["race"]}
    return evaluation_figures(raw, Calibration(), faces, race, (18,), CROSS)


def html_of(figures):
    """A page of the two parts."""
    figures["thresholds"]["18"]["groups"].pop("race")  # rows that the second table has, too
    mae, groups = figures["age"]["mae"]["median"], figures["groups"][CROSS]
    crossed = group_table(
        CROSS,
        groups,
        figures["worst_to_mean"][CROSS],
        scale_of({CROSS: groups}),
        mae,
        figures["equality"][CROSS],
    )
    part = thresholds(figures)
    body = el("section", el("h2", part.title), part.body, crossed)
    return document("thresholds and groups", el("main", body))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("predictions", type=Path)
    parser.add_argument("--attributes", type=Path, required=True, help="a table with path and race")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    html = html_of(figures_of(args.predictions, args.attributes))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder, "page.html")
        file.write_text(html, encoding="utf-8")
        chromium = shutil.which("chromium") or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=chromium)
        for width in WIDTHS:
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.goto(file.as_uri())
            if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
                sys.exit(f"error: at {width} pixels the page is {wide} wide")
            if width == WIDTHS[0]:
                box = page.locator("section").bounding_box()
                size = {"width": box["width"] + 2 * EDGE, "height": box["height"] + EDGE}
                clip = {"x": box["x"] - EDGE, "y": box["y"], **size}
                shown = page.screenshot(clip=clip, full_page=True)
        browser.close()
    picture = Image.open(io.BytesIO(shown)).convert("RGB")
    picture = picture.quantize(200, Image.Quantize.FASTOCTREE)  # a quarter of the bytes
    picture.save(args.out, optimize=True)
    print(
        f"{args.out}: {picture.width} x {picture.height}, {args.out.stat().st_size / 1000:.0f} KB"
    )


if __name__ == "__main__":
    main()
