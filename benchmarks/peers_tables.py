"""The Markdown tables of `peers.py`."""

from collections.abc import Iterator, Mapping

from peers_figures import EVERYONE

TITLES = {
    "exact": "age group",
    "one_off": "at most one group off",
    "gender": "gender",
    "mae": "MAE, years",
    "bias": "mean error, years",
}
YEARS = ("mae", "bias")
_BARS = " ▁▂▃▄▅▆▇█"
_FEW = 30  # groups of fewer faces are left out of "worst"


def overall(figures: Mapping, against: str) -> Iterator[str]:
    """A row for each side: its figures on all faces, and what it differs by."""
    measures = [name for name in figures if name != "bias"]
    sides = figures[measures[0]][EVERYONE][EVERYONE]["sides"]
    titles = [x for m in measures for x in (TITLES[m], f"less {against}")]
    yield from _head(["", *titles])
    for side in sides:
        cells = []
        for measure in measures:
            of = figures[measure][EVERYONE][EVERYONE]["sides"][side]
            cells += [_value(measure, of), _apart(measure, of)]
        yield _row([side, *cells])


def by_group(figures: Mapping, measure: str) -> Iterator[str]:
    """A row for each group: a measure of every side; and the worst groups of 30 faces or more."""
    kinds = figures[measure]
    sides = list(kinds[EVERYONE][EVERYONE]["sides"])
    yield from _head([TITLES[measure], "faces", *sides])
    for kind in (EVERYONE, "age", "gender", "race"):
        for group, of in kinds[kind].items():
            cells = [_value(measure, of["sides"][side]) for side in sides]
            yield _row([group, f"{of['n']:,}", *cells])
    for kind in ("race", "race and gender"):
        if measure != "bias":
            cells = [worst(kinds[kind], measure, side) for side in sides]
            yield _row([f"worst by {kind}", "", *cells])


def worst(groups: Mapping, measure: str, side: str) -> str:
    """The worst value of a side, and where."""
    known = {g: of["sides"][side]["value"] for g, of in groups.items() if of["n"] >= _FEW}
    pick = max if measure in YEARS else min
    if not known:
        return ""
    group = pick(known, key=known.__getitem__)
    return f"{number(measure, known[group])} ({group})"


def to_mean(figures: Mapping, groups: tuple[str, ...]) -> Iterator[str]:
    """The MAE of some age groups as a multiple of that of all faces."""
    everyone = figures["mae"][EVERYONE][EVERYONE]["sides"]
    yield from _head(["MAE, times that of all faces", *everyone])
    for group in groups:
        if group in figures["mae"]["age"]:
            sides = figures["mae"]["age"][group]["sides"]
            means = {side: of["value"] for side, of in everyone.items()}
            cells = [f"{sides[s]['value'] / mean:.2f}" if mean else "" for s, mean in means.items()]
            yield _row([group, *cells])


def covered(coverage: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """The share of ages within the 90% intervals, by group."""
    yield from _head(["inside the 90% interval", "share"])
    for of_kind in coverage.values():
        for group, share in of_kind.items():
            yield _row([group, f"{share:.1%}"])


def speed(rates: Mapping, ways: Mapping, faster: Mapping) -> Iterator[str]:
    """A row for each side: faces a second, from files to predictions."""
    yield from _head(["", "crops", "faces a second", "agejax is faster, times"])
    for side, rate in rates.items():
        yield _row([side, ways[side], f"{rate:,.1f}", faster[side]])


def spark(counts: Mapping[str, list[int]]) -> Iterator[str]:
    """A line of 101 bars for each histogram of ages, on one scale."""
    width = max(map(len, counts))
    most = max(max(of) for of in counts.values()) or 1
    for name, of in counts.items():
        bars = "".join(_BARS[-(-8 * n // most)] for n in of)
        yield f"{name:{width}} {bars}"
    yield f"{'':{width}} " + "".join(f"{age:<10}" for age in range(0, 101, 10))


def number(measure: str, value: float, sign: str = "") -> str:
    """Years with two decimals, shares in percent."""
    return f"{value:{sign}.2f}" if measure in YEARS else f"{value * 100:{sign}.1f}%"


def _value(measure: str, of: Mapping) -> str:
    return f"{number(measure, of['value'])}{_ends(measure, of['interval'])}"


def _ends(measure: str, interval: list[float] | None, sign: str = "") -> str:
    if interval is None:
        return ""
    low, high = (number(measure, end, sign).removesuffix("%") for end in interval)
    return f" ({low} to {high})"


def _apart(measure: str, of: Mapping) -> str:
    if "difference" not in of:
        return ""
    apart = number(measure, of["difference"], "+")
    p = of["p_holm"]
    doubt = "" if p is not None and p <= 0.05 else ", noise"
    return f"{apart}{_ends(measure, of['difference_interval'], '+')}{doubt}"


def _head(titles: list[str]) -> Iterator[str]:
    yield _row(titles)
    yield _row(["---"] * len(titles))


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
