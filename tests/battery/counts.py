"""How many cases of each test, and the table of what came of them.

The default run does a hundredth or so of each. `pytest -m battery` does all, or the share of them
that the environment variable AGEJAX_BATTERY says (0.1: a tenth), and prints the table of
docs/robustness.md.
"""

import os

import pytest

FIGURES: list[tuple[str, str]] = []


def counts(full: int, smoke: int | None = None) -> list:
    """Values of a parameter: the smoke version's, and the battery's."""
    smoke = max(full // 100, 2) if smoke is None else smoke
    share = float(os.getenv("AGEJAX_BATTERY", "1"))
    return [smoke, pytest.param(max(round(full * share), smoke), marks=pytest.mark.battery)]


def tell(test: str, figure: str) -> None:
    """Notes a row of the table."""
    FIGURES.append((test, figure))
