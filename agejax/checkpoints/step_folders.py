"""The folder of a run's checkpoints: which exist, which are intact, which are kept."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from agejax.checkpoints import manifest
from agejax.errors import UserError
from agejax.utils.atomic_write import sync_folder
from agejax.utils.notes import note
from agejax.utils.system_files import entries

_UNFINISHED = re.compile(r"(\d+)\.(partial|removed).*")
_ASIDE = re.compile(r"damaged-\d+(-\d+)?")
_Writing = tuple[int, ...]


class Replaced(UserError):
    """A checkpoint was removed, or written anew, while it was read."""

    def __init__(self, folder: Path):
        """The error for that checkpoint's folder."""
        super().__init__(f"{folder} was replaced or removed while it was read; try again")


class StepFolders:
    """`WORKDIR/checkpoints`, where each whole checkpoint is a folder named after its step."""

    def __init__(self, path: Path):
        """The folder need not exist."""
        self.path = path
        self._whole: set[tuple[_Writing, str | None]] = set()

    def steps(self) -> list[int]:
        """The steps that there are checkpoints of, damaged ones among them, in order."""
        names = (folder.name for folder in self._folders())
        return sorted(int(name) for name in names if _is_step(name))

    def lost(self) -> list[str]:
        """The names of the checkpoints that there are, and of those that were set aside."""
        names = (folder.name for folder in self._folders())
        return sorted(name for name in names if _is_step(name) or _ASIDE.fullmatch(name))

    def writing(self, step: int) -> _Writing | None:
        """Identifies one save of a checkpoint; None where there is none."""
        try:
            of = [(self / step).stat()]
        except OSError:
            return None
        try:
            of.append((self / step / manifest.NAME).stat())
            return (of[0].st_dev, of[0].st_ino, of[1].st_ino, of[1].st_mtime_ns, of[1].st_size)
        except OSError:
            return (of[0].st_dev, of[0].st_ino)

    def __truediv__(self, step: int) -> Path:
        return self.path / str(step)

    def problems(self, step: int, items: tuple[str, ...] | None = None) -> list[str]:
        """As `manifest.problems`; what was found whole is not read again.

        Raises:
          Replaced: it is gone, or became another one meanwhile.
        """
        if (writing := self.writing(step)) is None:
            raise Replaced(self / step)
        unread = {(writing, item) for item in items or (None,)} - self._whole
        if not unread or (writing, None) in self._whole:
            return []
        parts = None if items is None else [item for _, item in unread if item is not None]
        found = manifest.problems(self / step, step, parts)
        if found and self.writing(step) != writing:
            raise Replaced(self / step)
        if not found:
            self._whole |= unread
        return found

    def tidy(self) -> None:
        """Makes the folder, removes what was never finished, and sets damaged checkpoints aside.

        These only where there is a whole one.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        for folder in self._unfinished():
            _remove(folder, ignore_errors=True)  # a file that is open elsewhere may stay
        damaged = {step: wrong for step in self.steps() if (wrong := self.problems(step))}
        if len(damaged) == len(self.steps()):
            return  # none is intact: they are left in place for repair
        for step, wrong in damaged.items():
            aside = self._free_name(f"damaged-{step}")
            (self / step).rename(aside)
            note(f"{told(self / step, wrong)}; it is set aside as {aside.name}")

    def being_written(self, step: int, i: int = 0) -> Path:
        """Where to write a checkpoint before `publish`, at the i-th try."""
        return self.path / f"{step}.partial{i or ''}"

    def give_up(self, step: int) -> None:
        """Removes what was never finished of a checkpoint, and what Orbax has put beside it."""
        for folder in self._unfinished(step, "partial"):
            _remove(folder, ignore_errors=True)

    def publish(self, written: Path, step: int) -> None:
        """Gives what was written its manifest and, once on the disk, its name.

        It replaces the checkpoint of that step, if there is one.
        """
        manifest.seal(written, step)
        self.remove(step)
        written.rename(self / step)
        sync_folder(self.path)

    def remove(self, step: int) -> None:
        """Removes a checkpoint; one that a kill leaves half removed does not look damaged."""
        for folder in self._unfinished(step, "removed"):
            _remove(folder, ignore_errors=True)
        if os.path.lexists(self / step):
            removed = self._free_name(f"{step}.removed", "")
            (self / step).rename(removed)
            _remove(removed, ignore_errors=True)

    def _folders(self) -> Iterator[Path]:
        there = entries(self.path) if self.path.is_dir() else []
        return (folder for folder in there if folder.is_dir())

    def _unfinished(self, step: int | None = None, kind: str | None = None) -> list[Path]:
        """What saves and removals have left, of all steps and kinds or of one."""
        of = [(folder, _UNFINISHED.fullmatch(folder.name)) for folder in self._folders()]
        return [
            folder
            for folder, found in of
            if found and step in (None, int(found[1])) and kind in (None, found[2])
        ]

    def _free_name(self, name: str, between: str = "-") -> Path:
        taken = {folder.name for folder in self.path.iterdir()}
        names = [name, *(f"{name}{between}{i}" for i in range(2, len(taken) + 3))]
        return self.path / next(n for n in names if n not in taken)


def _is_step(name: str) -> bool:
    return name.isascii() and name.isdecimal()


def _remove(folder: Path, ignore_errors: bool = False) -> None:
    """Removes a folder with all that is in it; of a link, or a file, that alone."""
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors)
    else:
        with contextlib.suppress(*([OSError] if ignore_errors else [FileNotFoundError])):
            folder.unlink()


def told(folder: Path, wrong: list[str]) -> str:
    """What is wrong with a checkpoint, in one line."""
    more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return f"{folder} is damaged: {wrong[0]}{more}"
