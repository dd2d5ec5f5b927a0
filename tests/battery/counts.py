"""How many cases, and where the figures go.

The default run does a hundredth of each test; `pytest -m battery tests/battery -s` does all, and
prints the table of docs/robustness.md.
"""

import pytest


def counts(full: int, smoke: int | None = None) -> list:
    """Values of a parameter: the smoke version's, and the battery's."""
    smoke = max(full // 100, 2) if smoke is None else smoke
    return [smoke, pytest.param(full, marks=pytest.mark.battery)]


def tell(test: str, figure: str) -> None:
    """Prints a row of the table."""
    print(f"\n| {test} | {figure} |", flush=True)
