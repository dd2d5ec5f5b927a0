"""Why a label is doubted, in words."""

from collections.abc import Iterator

import numpy as np

from agejax.auditing.audit import Audit
from agejax.auditing.suspicion import groups
from agejax.labels import GENDER_NAMES
from agejax.metrics.calibration import age_interval


class Reasons:
    """The evidence about each label of an audit."""

    _QUOTED = 2  # other rows of the same image

    def __init__(self, audit: Audit):
        """Finds the rows of the same image and of the same person."""
        self._audit = audit
        self._same_image = {int(i): rows for rows in groups(audit.image) for i in rows}
        self._same_person = {int(i): rows for rows in groups(audit.person) for i in rows}
        if "age" in audit.tasks:
            self._low, _, self._high = age_interval(audit.tasks["age"].p)

    def text(self, task: str, i: int) -> str:
        """What speaks against the label of face `i`; "" if nothing does."""
        found = [*self._by_face(task, i), *self._by_image(task, i)]
        return "; ".join([*found, *(self._by_person(i) if task == "gender" else ())])

    def _by_face(self, task: str, i: int) -> Iterator[str]:
        of = self._audit.tasks[task]
        first, last = of.labels.first[i], of.labels.last[i]
        if task == "gender":
            if (p := of.p[i, 1 - first]) > 0.5:
                yield f"the face is read as {GENDER_NAMES[1 - first]} ({p:.0%})"
        elif first > self._high[i]:
            yield f"{_years(first - self._high[i])} above what the face allows"
        elif last < self._low[i]:
            yield f"{_years(self._low[i] - last)} below what the face allows"

    def _by_image(self, task: str, i: int) -> Iterator[str]:
        rows = self._same_image.get(i, np.array([i]))
        faces, of = self._audit.faces, self._audit.tasks[task].labels
        person, named = self._audit.person, self._audit.named
        others = rows[rows != i]
        apart = of.known[others] & (
            (of.first[others] > of.last[i]) | (of.last[others] < of.first[i])
        )
        stranger = named[others] & named[i] & (person[others] != person[i])
        first = np.argsort(-2 * apart - stranger, kind="stable")[: self._QUOTED]
        for j, label, who in zip(others[first], apart[first], stranger[first], strict=True):
            said = [f"is labelled {of.text(j)}"] if label else []
            said += ["is of another person"] if who else []
            if said:
                nearly = "" if faces.sha256[j] == faces.sha256[i] else "nearly "
                yield f"{nearly}the same image {' and '.join(said)} ({faces.path[j]})"

    def _by_person(self, i: int) -> Iterator[str]:
        rows = self._same_person.get(i, np.array([i]))
        of = self._audit.tasks["gender"].labels
        others = rows[(rows != i) & of.known[rows]]
        if n := int((of.first[others] != of.first[i]).sum()):
            other = GENDER_NAMES[1 - of.first[i]]
            yield f"{n} of {len(others)} other photos of the person are labelled {other}"


def _years(number: float) -> str:
    return "1 year" if round(number) == 1 else f"{number:.0f} years"
