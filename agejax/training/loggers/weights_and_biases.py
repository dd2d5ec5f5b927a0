"""Metrics to Weights & Biases: `--config.writers=agejax.training.loggers.weights_and_biases:WandB`.

Its own environment variables say where they go: `WANDB_MODE=offline` keeps them in WORKDIR/wandb,
for `wandb sync`; `WANDB_PROJECT` and `WANDB_ENTITY` name others than the project "agejax".
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agejax.errors import UserError


class WandB:
    """A run of Weights & Biases, which goes on when the training run does."""

    def __init__(self, workdir: Path, config: Mapping[str, Any], after: int):
        """Takes what `agejax.training.loggers.writers.Writer` says.

        Raises:
          UserError: wandb is not installed, or refuses.
        """
        try:
            import wandb
        except ImportError as error:
            raise UserError("config.writers names WandB: pip install -e '.[wandb]'") from error
        folder = workdir.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._run = wandb.init(
                project=os.getenv("WANDB_PROJECT", "agejax"),
                name="/".join(folder.parts[-2:]),
                id=hashlib.sha256(str(folder).encode()).hexdigest()[:16],
                resume="allow",
                dir=str(folder),
                config=dict(config),
            )
        except (wandb.Error, OSError) as error:  # no key, no network
            raise UserError(f"Weights & Biases: {error}; WANDB_MODE=offline needs none") from error

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Adds a point to each curve; of steps that it has already, W&B keeps the first."""
        self._run.log(dict(numbers), step=step)

    def close(self) -> None:
        """Ends the run."""
        self._run.finish()
