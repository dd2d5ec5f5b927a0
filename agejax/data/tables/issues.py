"""Issues of a table: counts by kind, with a few examples of each."""

import array
import dataclasses
from collections.abc import Iterator

_EXAMPLES = 5  # examples per kind


@dataclasses.dataclass
class _Kind:
    count: int = 0
    examples: list[str] = dataclasses.field(default_factory=list)


class Findings:
    """Counts and examples of issues by kind.

    Attributes:
      rows: uint32, the numbers of all unusable rows.
    """

    def __init__(self) -> None:
        """Creates an empty collection."""
        self._kinds: dict[str, _Kind] = {}
        self.rows = array.array("I")

    def row(self, number: int, kind: str, detail: str = "") -> None:
        """Adds a row that cannot be used."""
        self.rows.append(number)
        self.add(kind, f"row {number}" + (f": {detail}" if detail else ""))

    def add(self, kind: str, example: str, count: int = 1) -> None:
        """Adds `count` issues of a kind; the first few examples are kept."""
        found = self._kinds.setdefault(kind, _Kind())
        found.count += count
        if len(found.examples) < _EXAMPLES:
            found.examples.append(example)

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def lines(self) -> Iterator[str]:
        """A line for each kind, the most frequent first."""
        for kind, found in sorted(self._kinds.items(), key=lambda item: -item[1].count):
            more = "; ..." if found.count > len(found.examples) else ""
            yield f"{found.count:>9,} {kind} ({'; '.join(found.examples)}{more})"
