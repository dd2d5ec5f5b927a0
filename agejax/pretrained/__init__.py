"""Pretrained weights: those in the package, readers of others, and starting a run from them."""

import json
import os
from pathlib import Path
from typing import Any

from agejax.errors import UserError

FACES = Path(__file__).with_name("faces.safetensors")
CARD = Path(__file__).with_name("faces.json")  # of what they are, with their hash


def faces() -> Path:
    """The weights in the package: age and gender, trained on FairFace; see docs/model_card.md.

    A file as `agejax export --to weights` writes it: `agejax.load` takes it, and so does
    `config.model.pretrained`, as "agejax.pretrained:faces".

    Raises:
      UserError: this installation has none, such as a source tree without them.
    """
    if not FACES.is_file():
        raise UserError(
            f"{FACES} is not there, so this installation of agejax has no weights of its own: "
            f"name a run or a file of weights, or install agejax from its wheel"
        )
    return FACES


def card() -> dict[str, Any]:
    """What the weights in the package are: data, licence, use, limits and figures."""
    found: dict[str, Any] = json.loads(CARD.read_text(encoding="utf-8"))
    return found


def pinned(path: Path) -> str | None:
    """The hash that the weights in the package must have; None if `path` is another file."""
    if not FACES.is_file() or not os.path.samefile(path, FACES):
        return None
    return card()["file"]["sha256"] or "none"
