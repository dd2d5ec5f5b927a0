"""Writes the figures of the weights in the package, and docs/model_card.md from them.

    python benchmarks/model_card.py --eval 'FairFace val'=runs/fairface/eval/test.json \
        --exact imdb=runs/fairface-imdb/eval/test.json

`--eval` is of faces whose ages are groups, `--exact` of others. The hash and the size are those of
agejax/pretrained/faces.safetensors; without options the page alone is written anew.
"""

import argparse
import json
from pathlib import Path

from agejax import pretrained
from agejax.checkpoints.weights_file import contents_hash
from agejax.pretrained.model_card import figures_of, markdown

PAGE = Path(__file__).parents[1] / "docs" / "model_card.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--eval", "--exact"):
        parser.add_argument(option, action="append", default=[], metavar="NAME=FILE")
    given = parser.parse_args()
    card = pretrained.card()
    if given.eval or given.exact:
        card["figures"] = {
            name: figures_of(json.loads(Path(file).read_text(encoding="utf-8")), ranges)
            for ranges, named in ((True, given.eval), (False, given.exact))
            for name, _, file in (text.partition("=") for text in named)
        }
    if pretrained.FACES.is_file():
        card["file"] |= {
            "bytes": pretrained.FACES.stat().st_size,
            "sha256": contents_hash(pretrained.FACES),
        }
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    pretrained.CARD.write_text(text, encoding="utf-8")
    PAGE.write_text(markdown(card), encoding="utf-8")


if __name__ == "__main__":
    main()
