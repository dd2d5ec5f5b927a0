"""Whether a run's data is still what it was trained on, as `run.json` remembers it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agejax.checkpoints.provenance import columns_sha256, fingerprint, read_sessions
from agejax.data.faces import Faces
from agejax.distributed.initialize import is_first
from agejax.errors import UserError
from agejax.utils.notes import note
from agejax.utils.printable import printable

_WORDS = {"path": "names", "sha256": "images", "person": "persons"}
_KEPT = ("step", "data", "evaluated", "columns")


def check_same_data(
    workdir: Path, step: int, splits: Mapping[str, Faces], *, allow: bool = False
) -> None:
    """Compares faces with those that a run remembers, of the splits that it remembers.

    What only calls its faces otherwise is the same data. A run that remembers nothing, as those of
    before there was a `run.json`, is not compared.

    Args:
      workdir: the run.
      step: of the checkpoint that is gone on with, or evaluated.
      splits: {split: faces}, "validation" and others less the training faces.
      allow: says with a line what differs, instead of raising.

    Raises:
      UserError: they differ.
    """
    sessions = [session for session in remembered(workdir) if session["step"] < step]
    if not sessions:
        return
    told = [
        f"{split} {what}"
        for split, faces in splits.items()
        for what in _differences(sessions[-1], split, faces)
    ]
    if not told:
        return
    what = f"{workdir}: its data is not what it was trained on: {'; '.join(told)}"
    if not allow:
        raise UserError(f"{what}; config.data.allow_changed=True goes on all the same")
    if is_first():
        note(printable(f"{what}; going on, as config.data.allow_changed says"))


def remembered(workdir: Path) -> list[dict[str, Any]]:
    """What a run, or the one that it was made of, remembers of its data, by the step.

    Raises:
      UserError: the file that tells of it is of another form.
    """
    sessions = read_sessions(workdir)
    file = workdir / "calibrated_from.json"
    if not sessions and file.is_file():
        try:
            sessions = json.loads(file.read_text(encoding="utf-8")).get("trained_on", [])
            if not all(isinstance(session["step"], int) for session in sessions):
                raise ValueError("a step is no number")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise UserError(f"{file}: cannot be read ({error}); make the run again") from error
    return [{key: of[key] for key in _KEPT if key in of} for of in sessions]


def _differences(session: Mapping[str, Any], split: str, faces: Faces) -> Iterator[str]:
    then = _part(_part(session, "data"), split) or _part(_part(session, "evaluated"), split)
    if not then or then.get("sha256") == fingerprint(faces, then.get("rule", 1)):
        return
    if then.get("faces") != len(faces):
        yield f"has {len(faces):,} faces where there were {then.get('faces')}"
        return
    old, new = _part(_part(session, "columns"), split), columns_sha256(faces)
    changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    if not old:
        yield "has other faces, labels or persons"
    elif changed != ["path"]:
        yield f"has other {', '.join(_WORDS.get(name, name) for name in changed)}"


def _part(of: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What stands under a key, if it is a mapping as it should be."""
    found = of.get(key)
    return found if isinstance(found, dict) else {}
