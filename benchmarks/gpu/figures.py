"""Where the stages write their figures: at once, so that what is cut off loses little."""

import json
import os
import time
from pathlib import Path
from typing import Any

SMOKE = os.environ.get("AGEJAX_GPU", "1") == "0"


def seconds_left() -> float:
    """The seconds until this stage is killed."""
    return float(os.environ.get("GPU_DEADLINE", "inf")) - time.time()


class Figures:
    """The figures of a stage: `OUT/STAGE.json`, and lines of `OUT/figures.txt`."""

    def __init__(self, stage: str):
        self._folder = Path(os.environ["GPU_OUT"])
        self._file = self._folder / f"{stage}.json"
        self._all: dict[str, Any] = {}

    def write(self, name: str, value: Any) -> None:
        """Adds a figure; the file is replaced as a whole."""
        self._all[name] = value
        temporary = self._file.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._all, indent=1) + "\n", encoding="utf-8")
        temporary.replace(self._file)

    def line(self, text: str) -> None:
        """Adds a line of text, and prints it."""
        print(text, flush=True)
        with (self._folder / "figures.txt").open("a", encoding="utf-8") as file:
            print(text, file=file)
