"""Checkpoints saved in the background."""

from concurrent.futures import Future, ThreadPoolExecutor

from agejax.checkpoints.checkpoint import Checkpoints
from agejax.metrics.calibration import Calibration
from agejax.steps.step import copied
from agejax.types import TrainState


class Saving:
    """Writes a run's checkpoints while it trains on, one at a time."""

    def __init__(self, checkpoints: Checkpoints):
        self._checkpoints = checkpoints
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="save")
        self._last: Future[None] | None = None

    def save(
        self,
        state: TrainState,
        config: str,
        validation_mae: float | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        """As `Checkpoints.save`, but returns as soon as the state is copied on its devices.

        If the save before is still being written, that is waited for first.

        Raises:
          UserError: that one has failed.
        """
        self.wait()
        self._last = self._thread.submit(
            self._checkpoints.save, copied(state), config, validation_mae, calibration
        )

    def check(self) -> None:
        """Raises the error of a save that has failed by now.

        Raises:
          UserError: it has.
        """
        if self._last is not None and self._last.done():
            self.wait()

    def wait(self) -> None:
        """Waits until the last save is on the disk.

        Raises:
          UserError: it could not be.
        """
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def close(self) -> None:
        """Ends the thread, after its save."""
        self._thread.shutdown()
