"""Writes the figures of the weights in the package, and docs/model_card.md from them.

    python benchmarks/model_card.py --eval 'FairFace val'=runs/fairface/eval/test.json \
        --peers benchmarks/results/peers/faces.json --photos runs/photos.json \
        --false-faces runs/false-faces.json

`--eval` is of faces whose ages are groups, `--exact` of others, each the evaluation of a run.
`--peers` (peers.py) has the figures of all faces of `imdb`, the histogram of their ages, of which
docs/images/ages.svg is drawn, and those of other packages. What is not given is kept, unless it is
of other weights: the hash and the size are those of agejax/pretrained/faces.safetensors. Without
options the page alone is written anew.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from agejax import pretrained
from agejax.checkpoints.weights_file import contents_hash
from agejax.pretrained.card_sections import BORDERS
from agejax.pretrained.model_card import figures_of, markdown
from agejax.reports.plots import Axis, axis_around, bars, chart, line, standalone

DOCS = Path(__file__).parents[1] / "docs"
IMDB = "imdb (UTKFace), exact ages, not trained on"
HERE = "agejax"
SETS = {"fairface": "FairFace val", "imdb": "imdb"}
KINDS = {"age": "decade", "gender": "gender", "race": "race", "race and gender": "race*gender"}
MEASURED = ("ages", "photos", "beside")  # parts of the card that depend on the weights


def imdb_figures(imdb: dict[str, Any]) -> dict[str, Any]:
    """The card's figures by group of all faces of `imdb`, from those of peers.py."""

    def row(kind: str, group: str) -> dict[str, Any]:
        of = {measure: by[kind][group] for measure, by in imdb["figures"].items()}
        value = {measure: cell["sides"][HERE]["value"] for measure, cell in of.items()}
        return {
            "n": of["mae"]["n"],
            "mae": value["mae"],
            "bias": value["bias"],
            "coverage": imdb["coverage"].get(kind, {}).get(group),
            "gender_accuracy": value["gender"],
        }

    groups = {
        title: {group: row(kind, group) for group in imdb["figures"]["mae"][kind]}
        for kind, title in KINDS.items()
    }
    return {"ages_are_groups": False, "all": row("all", "all"), "groups": groups}


def beside(peers: dict[str, Any]) -> dict[str, Any]:
    """{set: {measure: {side: its figures on all faces}}}, without agejax's own variants."""
    found: dict[str, Any] = {}
    for name, title in SETS.items():
        for measure, by in peers.get(name, {}).get("figures", {}).items():
            sides = by["all"]["all"]["sides"]
            kept = {side: of for side, of in sides.items() if not side.startswith(f"{HERE},")}
            found.setdefault(title, {})[measure] = kept
    return found


def drawn(ages: dict[str, Any]) -> str:
    """The histograms of exact and predicted ages, as the text of an .svg file."""
    years, total = range(len(ages["exact"])), sum(ages["exact"])
    share = {kind: [n / sum(ages[kind]) for n in ages[kind]] for kind in ("exact", "read")}
    keys = [("muted", "exact ages"), ("a", "as read"), ("b", "first year of a group in training")]
    top = axis_around("share of faces", *share.values(), form=".0%", zero=True)
    return standalone(
        chart(
            Axis("age, years", 0, 100),
            top,
            bars(years, share["exact"], 0.8, "muted"),
            *(line([b - 0.5] * 2, [0, top.high], "b", dashed=True) for b in BORDERS),
            line(years, share["read"], "a"),
            alt=f"Exact and predicted ages of the {total:,} faces of {ages['set']}, by year.",
            keys=keys,
            width=640,
            height=320,
        )
    )


def read(file: Path, sha256: str | None) -> dict[str, Any]:
    """A file of figures; exits if it is of other weights, or of a run."""
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if "weights" in found and found["weights"] != sha256:
        raise SystemExit(f"error: {file} is of other weights than those in the package")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--eval", "--exact"):
        parser.add_argument(option, action="append", default=[], metavar="NAME=FILE")
    for option in ("--peers", "--photos", "--false-faces"):
        parser.add_argument(option, type=Path, metavar="FILE")
    given = parser.parse_args()
    card = pretrained.card()
    if pretrained.FACES.is_file():
        sha256 = contents_hash(pretrained.FACES)
        if sha256 != card["file"]["sha256"]:
            print("the weights are others: figures that are not given now are left out")
            card["figures"] = {}
            card = {key: of for key, of in card.items() if key not in MEASURED}
        card["file"] |= {"bytes": pretrained.FACES.stat().st_size, "sha256": sha256}
    for ranges, named in ((True, given.eval), (False, given.exact)):
        for name, _, file in (text.partition("=") for text in named):
            evaluation = json.loads(Path(file).read_text(encoding="utf-8"))
            card["figures"][name] = figures_of(evaluation, ranges)
    if given.peers:
        peers = read(given.peers, card["file"]["sha256"])
        card["figures"][IMDB] = imdb_figures(peers["imdb"])
        counts = peers["imdb"]["histogram"]
        card["ages"] = {"set": "imdb", "exact": counts["exact"], "read": counts[HERE]}
        card["beside"] = beside(peers)
    if given.photos:
        card["photos"] = read(given.photos, card["file"]["sha256"])
    if given.false_faces:
        card["false_faces"] = read(given.false_faces, None)["all"]
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    pretrained.CARD.write_text(text, encoding="utf-8")
    (DOCS / "model_card.md").write_text(markdown(card), encoding="utf-8")
    if "ages" in card:
        (DOCS / "images" / "ages.svg").write_text(drawn(card["ages"]), encoding="utf-8")


if __name__ == "__main__":
    main()
