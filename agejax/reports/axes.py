"""Axes of a chart: their range, their ticks, and where their values lie in the picture."""

import dataclasses
import math
from collections.abc import Iterable, Sequence


@dataclasses.dataclass(frozen=True)
class Axis:
    """One axis: what it shows, with its unit, from where to where.

    Attributes:
      label: "true age, years".
      low: the value at its start.
      high: the value at its end, another one.
      form: of its numbers: a format, such as ".0%".
      ticks: values; round ones by default.
      names: of the ticks, in place of their numbers.
    """

    label: str
    low: float
    high: float
    form: str = ""
    ticks: Sequence[float] | None = None
    names: Sequence[str] | None = None

    def named_ticks(self, about: int) -> list[tuple[float, str]]:
        """The ticks with their texts; `about` so many where none are given."""
        values = round_ticks(self.low, self.high, about) if self.ticks is None else self.ticks
        names = self.names or [_number(value, self.form) for value in values]
        return list(zip(values, names, strict=True))


def axis_around(
    label: str, *values: Iterable[float | None], form: str = "", zero: bool = False
) -> Axis:
    """The axis from one round number to another that holds all values, and zero if asked."""
    finite = [v for of in values for v in of if v is not None and math.isfinite(v)]
    finite += [0.0] if zero or not finite else []
    low, high = min(finite), max(finite)
    if low == high:
        low, high = (low, low + 1) if low == 0 else (min(0.0, 2 * low), max(0.0, 2 * low))
    step = _round_step((high - low) / 5)
    return Axis(label, math.floor(low / step) * step, math.ceil(high / step) * step, form)


def round_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten in [low, high], about so many."""
    step = _round_step((high - low) / about)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


@dataclasses.dataclass(frozen=True)
class Frame:
    """Where the axes lie in the picture, in pixels from its upper left."""

    x_axis: Axis
    y_axis: Axis
    left: float
    right: float
    top: float
    bottom: float

    def x(self, value: float) -> float:
        """Where a value of the x axis lies."""
        axis = self.x_axis
        return self.left + (value - axis.low) / (axis.high - axis.low) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Where a value of the y axis lies."""
        axis = self.y_axis
        return self.bottom - (value - axis.low) / (axis.high - axis.low) * (self.bottom - self.top)


def px(value: float) -> str:
    """A length in pixels as SVG's attributes have it."""
    return f"{value:.1f}".removesuffix(".0")


def _round_step(about: float) -> float:
    power = 10.0 ** math.floor(math.log10(about))
    return next(n * power for n in (1, 2, 5, 10) if about <= n * power * (1 + 1e-9))


def _number(value: float, form: str) -> str:
    return format(value, form) if form else f"{value:,.10g}"
