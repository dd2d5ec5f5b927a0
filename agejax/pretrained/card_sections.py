"""Sections of the model card beside its figures by group: age histogram, photos, other packages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

BORDERS = (3, *range(10, 80, 10))  # first years of FairFace's groups
_MEASURES = {
    "exact": "age group right",
    "one_off": "at most one group off",
    "mae": "age error, years",
    "gender": "gender",
}
_VALUES = {"roll": ("roll", "°", "upright"), "size": ("face", " px", "at 150 px")}


def heaping(counts: Sequence[int], borders: Sequence[int] = BORDERS) -> float | None:
    """How often the two years at borders are read, relative to the four years around these.

    Args:
      counts: the number of faces by year, from 0.
      borders: first years of groups, 3 or more: of 10 the years 9 and 10 are compared with 7, 8, 11
        and 12.

    Returns:
      1 where ages pass the borders evenly, more where they pile up; None if there are no faces.
    """
    at = sum(counts[b - 1] + counts[b] for b in borders)
    around = sum(sum(counts[b - 3 : b + 3]) for b in borders) - at
    return 2 * at / around if around else None


def sections(card: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines of those sections that the card has figures for."""
    if "ages" in card:
        yield from _ages(card["ages"])
    if "photos" in card:
        yield from _photos(card["photos"])
        if "yaw" in card["photos"]:
            yield from _yaws(card["photos"]["yaw"])
    if "false_faces" in card:
        of = card["false_faces"]
        yield from ("", "### Images without faces", "")
        yield (
            f"In {of['images']:,} images without faces, the detector finds "
            f"{of['with turned searches']}: {of['upright alone']} upright, others in the turned "
            f"copies that are searched where no face is upright (benchmarks/false_faces.py)."
        )
    for name, measures in card.get("beside", {}).items():
        yield from _beside(name, measures)


def _ages(ages: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "### Ages within the groups", "")
    yield f'<img src="images/ages.svg" width="640" alt="Exact and predicted ages of {ages["set"]}">'
    yield ""
    yield (
        "FairFace's labels leave ages within a group free. Faces in the two years at a border, "
        "relative to the four years around these; more than the exact ages have is a pile-up:"
    )
    yield from ("", "| border | exact ages | as read |", "|---|---|---|")
    rows = {f"{b - 1}, {b}": (b,) for b in BORDERS} | {"all": BORDERS}
    for name, borders in rows.items():
        cells = (heaping(ages[kind], borders) for kind in ("exact", "read"))
        yield f"| {name} | {' | '.join('' if x is None else f'{x:.2f}' for x in cells)} |"


def _photos(photos: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "### Photos: roll and size of the face", "")
    before = photos.get("before")
    yield (
        f"{photos['faces']:,} faces ({photos['set']}) in synthetic photos of 640 x 480, found and "
        f"cut by the detector (benchmarks/photos.py). The difference is paired by face, 95% over "
        f"persons." + (" Before: cut by the detector's box, without landmarks." if before else "")
    )
    for name, (title, unit, compared) in _VALUES.items():
        head = [title, "one face found", "several", "age error, years", f"more than {compared}"]
        head += ["before: one face found", "age error"] if before else []
        yield ""
        yield f"| {' | '.join(head)} |"
        yield "|---" * len(head) + "|"
        for i, row in enumerate(photos[name]):
            cells = [f"{row['value']}{unit}", f"{row['found']:.1%}", f"{row['several']:.1%}"]
            cells += [_years(row["error"]), _signed(row["more"], row["more_interval"])]
            if before:
                old = before[name][i]
                cells += [f"{old['found']:.1%}", _years(old["error"])]
            yield f"| {' | '.join(cells)} |"


def _yaws(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield ""
    yield (
        "By how far the face is turned to a side, estimated from its landmarks (each row has other "
        "faces, of other ages):"
    )
    yield from ("", "| turned by | faces | age error, years (95%) |", "|---|---|---|")
    for row in rows:
        ends = row["interval"]
        error = f"{row['error']:.2f} ({ends[0]:.2f} to {ends[1]:.2f})" if ends else ""
        yield f"| {row['from']} to {row['to']}° | {row['n']:,} | {error} |"


def _years(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _beside(name: str, measures: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield from ("", f"### Beside other packages: {name}", "")
    sides = list(next(iter(measures.values())))
    yield f"| {' | '.join(['', *sides])} |"
    yield "|---" * (1 + len(sides)) + "|"
    for measure, title in _MEASURES.items():
        if measure in measures:
            cells = [_side(measure, of) for of in measures[measure].values()]
            yield f"| {title} | {' | '.join(cells)} |"


def _side(measure: str, of: Mapping[str, Any]) -> str:
    """A value with its interval, and how it differs from that of agejax."""
    years = measure == "mae"
    form = lambda x, sign="": f"{x:{sign}.2f}" if years else f"{100 * x:{sign}.1f}"
    text = form(of["value"]) + ("" if years else "%")
    if ends := of["interval"]:
        text += f" ({form(ends[0])} to {form(ends[1])})"
    if (apart := of.get("difference")) is not None:
        text += f"; {form(apart, '+')}"
        if ends := of["difference_interval"]:
            text += f" ({form(ends[0], '+')} to {form(ends[1], '+')})"
    return text


def _signed(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None:
        return ""
    ends = "" if interval is None else f" ({interval[0]:+.2f} to {interval[1]:+.2f})"
    return f"{value:+.2f}{ends}"
