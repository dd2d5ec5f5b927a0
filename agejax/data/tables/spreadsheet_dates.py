"""Restores age groups that a spreadsheet turned into dates: `03-Sep` was 3-9.

A spreadsheet that opens a table turns 3-9 into the third of September, or the ninth of March, of
the current year, and 10-19 into October 2019, or the 19th of October, depending on its language.
Only one order of the two numbers is a valid group.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

_MONTHS = {
    name: number
    for number, names in enumerate(
        (  # English, German, French, Spanish, Italian, Portuguese, Dutch
            *(
                "jan ene gen",
                "feb fév fev",
                "mar mär mrz mrt maa",
                "apr avr abr",
                "may mai mag mei",
            ),
            *("jun juin giu", "jul juil lug", "aug aoû aou ago", "sep set", "oct okt ott out"),
            *("nov", "dec dez déc dic"),
        ),
        1,
    )
    for name in names.split()
}
_TIME = re.compile(r"[ t]0?0:00(:00(\.0*)?)?z?$")
_PARTS = re.compile(r"[^\W\d_]+|[0-9]+")
_DATE = re.compile(rf"({_PARTS.pattern})([-/. ,]+({_PARTS.pattern})){{1,2}}\.?")
_DECIMAL = re.compile(r"\d+[.,]\d*[1-9]\d*")

Group = tuple[int, int]  # first and last year


class _Reading(NamedTuple):
    group: Group
    year: int | None = None  # in which the spreadsheet was opened, if the date shows it


def is_date(cell: str) -> bool:
    """Whether a cell is a date that an age group may have become."""
    return bool(_readings(cell))


def groups_of_dates(
    cells: Iterable[str], ages: Mapping[str, Group], known: Collection[Group] = ()
) -> dict[str, Group]:
    """The age groups that dates among the cells of a column originally were.

    Without `known` groups the column itself must give evidence: some ages are still groups, or all
    cells are dates without overlap; no age has decimals (25.10 becomes a date, too); all dates that
    show the year show the same one; and of two readings, such as 1-10 and 10-19 of 2019-10-01, one
    lies between the other groups.

    Args:
      cells: of the column.
      ages: {cell: first and last year} of those that are ages.
      known: the possible groups, if known.

    Returns:
      {cell: (first, last year)} of the dates with only one possible group.
    """
    dates = {cell: found for cell in cells if cell not in ages and (found := _readings(cell))}
    if known:
        readings = {cell: {r.group for r in found} & {*known} for cell, found in dates.items()}
        return _alone(readings)
    if any(_DECIMAL.fullmatch(cell.strip()) for cell in ages):
        return {}
    groups = {group for group in ages.values() if group[0] < group[1]}
    alone = {found[0].group for found in dates.values() if len(found) == 1}
    if not groups and (ages or len(alone) < 2 or _any_meet(sorted(alone))):
        return {}
    years = {found[0].year for found in dates.values() if len(found) == 1} - {None}
    readings = {
        cell: {r.group for r in found if r.year is None or not years or years == {r.year}}
        for cell, found in dates.items()
    }
    groups |= {*_alone(readings).values()}
    apart = {
        cell: {group for group in of if len(of) == 1 or not any(_meet(group, g) for g in groups)}
        for cell, of in readings.items()
    }
    return _alone(apart)


def _alone(readings: Mapping[str, set[Group]]) -> dict[str, Group]:
    return {cell: next(iter(found)) for cell, found in readings.items() if len(found) == 1}


def _any_meet(groups: Sequence[Group]) -> bool:
    return any(_meet(a, b) for a, b in pairwise(groups))


def _meet(a: Group, b: Group) -> bool:
    return a[0] <= b[1] and b[0] <= a[1]


def _readings(cell: str) -> list[_Reading]:
    """The groups that a date may have been: two different numbers, the smaller first."""
    text = _TIME.sub("", cell.strip().casefold())
    if not _DATE.fullmatch(text):
        return []
    match _PARTS.findall(text):
        case [a, b] if b.isdecimal() and (month := _month(a)):
            return _of_month(month, b)
        case [a, b] if a.isdecimal() and int(a) <= 31 and (month := _month(b)):
            return _of_month(month, a)
        case [a, b, c] if a.isdecimal() and c.isdecimal() and (month := _month(b)):
            return _of_day(int(a), month, c)
        case [a, b, c] if b.isdecimal() and c.isdecimal() and (month := _month(a)):
            return _of_day(int(b), month, c)
        case [a, b, c] if a.isdecimal() and b.isdecimal() and c.isdecimal():
            if _is_year(a) and int(b) <= 12:
                return _of_day(int(c), int(b), a)
            if _is_year(c) or (len(c) == 2 and "-" not in text):  # the day is ambiguous
                return _of_day(min(int(a), int(b)), max(int(a), int(b)), c)
    return []


def _of_month(month: int, number: str) -> list[_Reading]:
    """A month and a number, which is the day or the year."""
    if _is_year(number):
        return _month_and_year(month, int(number))
    return _group(month, int(number)) if len(number) <= 2 and int(number) else []


def _of_day(day: int, month: int, year: str) -> list[_Reading]:
    """A day and a month in either order or, on the first of a month, the month and the year."""
    if not (1 <= min(day, month) <= 12 and max(day, month) <= 31):
        return []
    whole = int(year) if len(year) == 4 else 2000 + int(year)
    of_year = _month_and_year(month, whole) if day == 1 and month <= 12 else []
    return _group(day, month, whole) + of_year


def _month_and_year(month: int, year: int) -> list[_Reading]:
    return _group(month, year % 100) if month < year % 100 else []


def _group(a: int, b: int, year: int | None = None) -> list[_Reading]:
    return [_Reading((min(a, b), max(a, b)), year)] if a != b else []


def _month(part: str) -> int | None:
    return _MONTHS.get(part[:3]) or _MONTHS.get(part[:4]) if part.isalpha() else None


def _is_year(part: str) -> bool:
    return len(part) == 4 and part[:2] in ("19", "20")
