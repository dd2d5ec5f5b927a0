"""The folder of a run's checkpoints: which there are, which are whole, which are kept."""

import contextlib
import os
import shutil
from pathlib import Path

from agejax.runtime import manifest
from agejax.runtime.durable import sync_folder

_UNFINISHED = ("*.partial*", "*.removed")


class StepFolders:
    """`WORKDIR/checkpoints`, where each whole checkpoint is a folder named after its step."""

    def __init__(self, path: Path):
        """Names the folder; it need not be there."""
        self.path = path
        self._whole: set[tuple[int, str | None]] = set()

    def steps(self) -> list[int]:
        """The steps that there are checkpoints of, damaged ones among them, in order."""
        there = self.path.iterdir() if self.path.is_dir() else []
        names = (folder.name for folder in there if folder.is_dir())
        return sorted(int(name) for name in names if name.isascii() and name.isdecimal())

    def __truediv__(self, step: int) -> Path:
        return self.path / str(step)

    def problems(self, step: int, items: tuple[str, ...] | None = None) -> list[str]:
        """As `manifest.problems`; what was found whole is not read again."""
        unread = {(step, item) for item in items or (None,)} - self._whole
        if not unread or (step, None) in self._whole:
            return []
        parts = None if items is None else [item for _, item in unread if item is not None]
        if not (found := manifest.problems(self / step, step, parts)):
            self._whole |= unread
        return found

    def tidy(self) -> None:
        """Makes the folder, removes what was never finished, and sets damaged checkpoints aside."""
        self.path.mkdir(parents=True, exist_ok=True)
        for pattern in _UNFINISHED:
            for folder in self.path.glob(pattern):
                _remove(folder)
        for step in self.steps():
            if wrong := self.problems(step):
                aside = self._free_name(f"damaged-{step}")
                (self / step).rename(aside)
                print(f"{told(self / step, wrong)}; it is set aside as {aside.name}")

    def being_written(self, step: int, i: int = 0) -> Path:
        """Where to write a checkpoint before `publish`, at the i-th try."""
        return self.path / f"{step}.partial{i or ''}"

    def give_up(self, step: int) -> None:
        """Removes what was never finished of a checkpoint, and what Orbax has put beside it."""
        for folder in self.path.glob(f"{step}.partial*"):
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
        removed = self.path / f"{step}.removed"
        if os.path.lexists(self / step):
            _remove(removed, ignore_errors=True)
            (self / step).rename(removed)
        _remove(removed, ignore_errors=True)
        self._whole = {known for known in self._whole if known[0] != step}

    def _free_name(self, name: str) -> Path:
        taken = {folder.name for folder in self.path.iterdir()}
        names = [name, *(f"{name}-{i}" for i in range(2, len(taken) + 3))]
        return self.path / next(n for n in names if n not in taken)


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
