"""Who is flagged, beside the share expected by chance."""

from collections.abc import Iterator

import numpy as np

from agejax.auditing.audit import Audit
from agejax.auditing.table import lines
from agejax.evaluation.task_labels import groups_of
from agejax.figures import AuditedLabel, AuditedTask
from agejax.labels import GENDER_NAMES
from agejax.metrics.groups import decades
from agejax.utils.printable import printable

_FEW = 5  # expected labels of a group that are flagged; below that, its ratio is mostly noise


def summary(audit: Audit, above: float = 0.5) -> Iterator[str]:
    """Yields the lines that `agejax audit` prints.

    Args:
      audit: the result.
      above: the least `p_wrong` of a label that counts as flagged.
    """
    if unreadable := int((~audit.readable).sum()):
        yield f"{unreadable:,} images cannot be decoded; their labels are not in the table"
    everybody = groups_of_audit(audit)
    for task, of in audit.tasks.items():
        known = of.labels.known
        flagged = known & (of.wrong > above)
        n, share = int(known.sum()), flagged.sum() / known.sum()
        yield (
            f"{task}: {n:,} labels, about {of.wrong[known].mean():.1%} of them wrong; "
            f"{int(flagged.sum()):,} have p_wrong above {above:g} ({share:.1%})"
        )
        yield f"  {'':28} {'labels':>8} {'flagged':>8} {'by chance':>9} {'ratio':>6}"
        for kind, values in everybody.items():
            for name in sorted(set(values[known].tolist())):
                here = known & (values == name)
                expected = share * here.sum()
                got = int((flagged & here).sum())
                ratio = f"{got / expected:6.1f}" if expected >= _FEW else f"{'':6}"
                title = printable(f"{kind} {name}")[:28]
                yield f"  {title:28} {int(here.sum()):8,} {got:8,} {expected:9.1f} {ratio}".rstrip()


def audited_tasks(audit: Audit, above: float) -> dict[str, AuditedTask]:
    """Figures of each task; a label of a `p_wrong` above `above` counts as flagged."""
    return {
        task: {
            "n": int((known := of.labels.known).sum()),
            "wrong": float(of.wrong[known].mean()),
            "flagged": int((of.wrong[known] > above).sum()),
        }
        for task, of in audit.tasks.items()
    }


def audited_labels(audit: Audit) -> list[AuditedLabel]:
    """The lines of the table, with numbers for what is one."""
    found: list[AuditedLabel] = []
    for line in lines(audit):
        cells = line.cells
        one = AuditedLabel(
            path=cells["path"],
            task=line.task,
            label=cells["label"],
            read=float(cells["read"]) if line.task == "age" else cells["read"],
            p_wrong=line.p_wrong,
            reason=cells["reason"],
        )
        if "low" in cells:
            one["low"], one["high"] = float(cells["low"]), float(cells["high"])
        found.append(one)
    return found


def groups_of_audit(audit: Audit) -> dict[str, np.ndarray]:
    """{kind: str [N]}: decades and genders by label, and the attributes of the faces."""
    found = {}
    for task, of in audit.tasks.items():
        labels = of.labels
        if task == "age":
            found["age"] = decades(labels.first, labels.known, labels.last)
        else:
            names = np.array(GENDER_NAMES)[labels.first]
            found["gender"] = np.where(labels.known, names, "unknown")
    return found | groups_of(audit.faces)
