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
    """The figures of a stage, in `OUT/figures.json` with those of others, and `OUT/figures.txt`."""

    def __init__(self, stage: str):
        self._stage, self._folder = stage, Path(os.environ["GPU_OUT"])

    def write(self, name: str, value: Any) -> None:
        """Adds a figure; the file is replaced as a whole. Stages do not run at the same time."""
        file = self._folder / "figures.json"
        figures = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        figures.setdefault(self._stage, {})[name] = value
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        temporary.replace(file)

    def line(self, text: str) -> None:
        """Adds a line of text, and prints it."""
        print(text, flush=True)
        with (self._folder / "figures.txt").open("a", encoding="utf-8") as file:
            print(text, file=file)
