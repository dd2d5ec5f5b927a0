"""Metrics as TensorBoard's event files.

Asked for by `--config.writers=agejax.training.loggers.tensorboard:TensorBoard`.
By tensorboardX, which needs NumPy and protobuf alone; `tensorboard --logdir runs` shows them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agejax.errors import UserError


class TensorBoard:
    """Event files in WORKDIR/tensorboard."""

    def __init__(self, workdir: Path, config: Mapping[str, Any], after: int):
        """Takes what `agejax.training.loggers.writers.Writer` says.

        Raises:
          UserError: tensorboardX is not installed.
        """
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise UserError(
                "config.writers names TensorBoard: pip install -e '.[tensorboard]'"
            ) from error
        # TensorBoard hides what an interrupted run had written of later steps.
        self._writer = SummaryWriter(str(workdir / "tensorboard"), purge_step=after + 1)

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Adds a point to each curve."""
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()
