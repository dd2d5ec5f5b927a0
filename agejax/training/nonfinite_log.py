"""The host's side of refused batches: it names their faces, and sees when the run has to stop."""

from collections import deque
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from agejax.distributed.mesh import put
from agejax.errors import UserError
from agejax.training.loggers.writers import MetricsLog
from agejax.types import TrainState

_AHEAD = 2  # calls that the host may be ahead of the devices


class Refusals:
    """Follows the losses of steps, which are NaN where a batch was refused.

    `refused.jsonl` gets a line for each: its step, and its faces.
    """

    def __init__(self, log: MetricsLog, faces_of: Callable[[int], list[str]], *, skip: int):
        """Starts.

        Args:
          log: of `refused.jsonl`.
          faces_of: step, from 0 on -> the paths of the faces in it.
          skip: how many in a row are passed over, as the train step's `skip_nonfinite`.
        """
        self._log, self._faces_of, self._skip = log, faces_of, skip
        self._under_way: deque[tuple[int, jax.Array]] = deque()
        self._in_a_row = 0
        self._halted_at: int | None = None

    def start(self, state: TrainState) -> None:
        """Takes over the count of refused batches; no state is halted before its next step."""
        self._in_a_row = min(int(state["refused"]), self._skip)
        state["refused"] = put(np.int32(self._in_a_row), state["refused"].sharding)

    def halted(self, step: int, loss: jax.Array, *, wait: bool) -> bool:
        """Whether the run stands still since a batch was refused.

        Args:
          step: the last that was called for.
          loss: of that call, a scalar or one for each of its steps.
          wait: look at all steps; otherwise the host may run two calls ahead of the devices.
        """
        self._under_way.append((step, loss))
        while len(self._under_way) > (0 if wait else _AHEAD):
            last, losses = self._under_way.popleft()
            values = np.atleast_1d(jax.device_get(losses))
            for i, value in enumerate(values, last - len(values)):
                self._look(i, value)
        return self._halted_at is not None

    def error(self, workdir: Path) -> UserError:
        """What to say of a run that was halted."""
        at = self._halted_at
        assert at is not None
        return UserError(
            f"{workdir}: the loss or gradient of step {at + 1:,} is not finite; nothing of it went "
            f"into the weights, and refused.jsonl names its {len(self._faces_of(at))} faces; to "
            f"go on without such batches, set config.train.skip_nonfinite"
        )

    def _look(self, step: int, loss: float) -> None:
        if self._halted_at is not None:
            return
        self._in_a_row = 0 if np.isfinite(loss) else self._in_a_row + 1
        if self._in_a_row:
            self._log.write(step=step + 1, faces=self._faces_of(step))
            self._log.sync()
        if self._in_a_row > self._skip:
            self._halted_at = step

    def close(self) -> None:
        """Closes the file."""
        self._log.close()
