"""The errors at age thresholds as lines of text, at most 100 columns wide."""

from collections.abc import Iterator, Mapping
from typing import Any

from agejax.metrics.groups import FEW

_SIDES = {"under": "passed", "over": "challenged"}


def threshold_lines(
    thresholds: Mapping[str, Mapping[str, Any]], *, whole: bool = False
) -> Iterator[str]:
    """The lines of `agejax.metrics.thresholds.threshold_figures`; none if it is empty.

    Args:
      thresholds: the figures.
      whole: one line for each threshold, of all faces, and those of the run's own limits.
    """
    if not thresholds:
        return
    yield (
        f"  {'at age thresholds':22}{'under':>7}  {'read as over, 95% exact':25}"
        f"{'over':>7}  {'read as under, 95% exact':25}"
    )
    for t, of in thresholds.items():
        yield _line(f"  {t}", of["under"], of["over"])
        yield from () if whole else _parts(t, of)
        for name, at in _kept(of):
            yield _line(f"    {name}", at["under"], at["over"])
    if whole:
        yield "  by age band and group: `agejax thresholds`, and the report"
    yield f"  cells of under {FEW} faces are not judged; see docs/thresholds.md for what is counted"


def _parts(t: str, of: Mapping[str, Any]) -> Iterator[str]:
    """The lines of age bands, groups and the probability."""
    for name, side in _nearest(of["bands"]):
        under, over = (side if key in side else None for key in _SIDES.values())
        yield _line(f"    {name}", under, over)
    for groups in of["groups"].values():
        for name, both in groups.items():
            if both["under"]["n"] + both["over"]["n"]:
                yield _line(f"    {name[:18]}", both["under"], both["over"])
    probability = of["probability"]
    if probability["n"]:
        yield (
            f"    P(age >= {t}): mean {probability['mean']:.1%}, of {probability['share']:.1%} "
            f"true; calibration error {probability['ece']:.1%}, "
            f"Brier {probability['brier']:.4f}"
        )


def _kept(of: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The run's own limits, which it has by `agejax calibrate --threshold`."""
    kept = of.get("kept", {})
    if age := kept.get("age"):
        yield f"challenge age {age['at']}", age
    if cut := kept.get("probability"):
        yield f"P from {cut['at']:.4f}", cut


def _nearest(bands: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """The two bands on each side of the threshold."""
    under = [band for band in bands.items() if "passed" in band[1]]
    return [*under[-2:], *[band for band in bands.items() if "challenged" in band[1]][:2]]


def _line(name: str, under: Mapping[str, Any] | None, over: Mapping[str, Any] | None) -> str:
    return f"  {name:22}{_cell(under, 'passed')}{_cell(over, 'challenged')}".rstrip()


def _cell(side: Mapping[str, Any] | None, key: str) -> str:
    if side is None or not side["n"]:
        return f"{'':34}"
    return f"{side['n']:7,}  {share_of(side, key):25}"


def share_of(side: Mapping[str, Any], key: str) -> str:
    """A share with its interval, such as "7.1% (4.2 to 10.9)"."""
    if not side["judged"]:
        return "too few"
    low, high = (100 * side[end] for end in ("low", "high"))
    return f"{side[key] / side['n']:.1%} ({low:.1f} to {high:.1f})"
