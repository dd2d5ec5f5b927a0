"""What is wrong with a table: counts by kind, and a few rows of each, however many there are."""

import array
import dataclasses
from collections.abc import Iterator

_TOLD = 5  # rows of a kind


@dataclasses.dataclass
class _Kind:
    count: int = 0
    examples: list[str] = dataclasses.field(default_factory=list)


class Findings:
    """Counts and examples by kind.

    Attributes:
      rows: uint32, the numbers of all rows that cannot be used.
    """

    def __init__(self) -> None:
        """Nothing is wrong yet."""
        self._kinds: dict[str, _Kind] = {}
        self.rows = array.array("I")

    def row(self, number: int, kind: str, detail: str = "") -> None:
        """A row cannot be used."""
        self.rows.append(number)
        self.add(kind, f"row {number}" + (f": {detail}" if detail else ""))

    def add(self, kind: str, example: str, count: int = 1) -> None:
        """Something was found `count` times; `example` is shown if it is among the first."""
        found = self._kinds.setdefault(kind, _Kind())
        found.count += count
        if len(found.examples) < _TOLD:
            found.examples.append(example)

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def lines(self) -> Iterator[str]:
        """A line for each kind, the most frequent first."""
        for kind, found in sorted(self._kinds.items(), key=lambda item: -item[1].count):
            more = "; ..." if found.count > len(found.examples) else ""
            yield f"{found.count:>9,} {kind} ({'; '.join(found.examples)}{more})"
