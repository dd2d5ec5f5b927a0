"""A page to look through the labels that are probably wrong, and to tick those that are."""

import base64
import hashlib
import io
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image

from agejax.auditing.audit import Audit
from agejax.auditing.table import Line, lines
from agejax.data.decode import BadImage, decode
from agejax.reports.markup import Markup, el
from agejax.utils.atomic_write import write_text
from agejax.utils.notes import bar

_SIDE = 112  # pixels of a face
_PIECE = 64
_NO_PICTURE = "data:,"


def write_sheet(audit: Audit, out: Path, most: int = 500) -> int:
    """Writes one HTML file, which needs no network; returns the number of labels in it.

    Args:
      audit: the result.
      out: the file.
      most: how many labels, the likeliest to be wrong first.
    """
    shown = list(lines(audit, most))
    pictures = _pictures(audit, sorted({line.row for line in shown}))
    read = lambda name: files("agejax.auditing").joinpath(name).read_text(encoding="utf-8")
    style, script = read("sheet.css"), read("sheet.js")
    # Nothing but this script runs, even if a path contains markup, and nothing is fetched.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", "agejax audit"),
        el("link", rel="icon", href="data:,"),
        el("style", Markup(style)),
    )
    name = json.dumps(sorted({line.cells["path"] for line in shown})).encode()
    body = el(
        "body",
        el(
            "header",
            el("h1", "Labels that are probably wrong"),
            el(
                "p",
                f"{len(shown):,} labels, the likeliest to be wrong first. Click a face to tick its "
                f"label as wrong, or tab to it and press space. The ticks stay in this browser; "
                f"saved as ticks.csv, they are for agejax audit --ticks ticks.csv --good good.csv.",
            ),
            el("button", "Save the ticks", id="save", type="button"),
            el("output", "0 ticked", id="count"),
        ),
        el("main", (_face(line, pictures) for line in shown)),
        el("script", Markup(script)),
        data_sheet=hashlib.sha256(name).hexdigest()[:16],
    )
    write_text(out, f"<!doctype html>\n{el('html', head, body, lang='en')}\n")
    return len(shown)


def _face(line: Line, pictures: dict[int, str]) -> Markup:
    cells = line.cells
    between = f" ({float(cells['low']):.0f}–{float(cells['high']):.0f})" if "low" in cells else ""
    read = f"{float(cells['read']):.0f}" if line.task == "age" else cells["read"]
    return el(
        "label",
        el("input", type="checkbox", data_path=cells["path"], data_task=line.task),
        el("img", src=pictures[line.row], alt="", width=_SIDE, height=_SIDE, loading="lazy"),
        el("b", f"{line.task} {cells['label']}?"),
        el("span", f"read {read}{between}"),
        el("span", f"wrong: {line.p_wrong:.0%}"),
        el("small", cells["reason"]),
        el("small", cells["path"], class_="path"),
    )


def _pictures(audit: Audit, rows: list[int]) -> dict[int, str]:
    """{face: its picture as a data: URL}."""
    found: dict[int, str] = {}
    for start in bar(range(0, len(rows), _PIECE), desc="contact sheet", leave=False):
        some = rows[start : start + _PIECE]
        found |= dict(zip(some, map(_url, audit.faces.read(audit.faces.rows[some])), strict=True))
    return found


def _url(jpeg: bytes) -> str:
    try:
        pixels: np.ndarray = decode(jpeg, _SIDE)
    except BadImage:
        return _NO_PICTURE
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
