"""What a run says while it trains: a progress bar, and a line of metrics a log step."""

import time
from collections.abc import Iterator
from typing import Any

import jax

from agejax.distributed.initialize import is_first
from agejax.metrics.masked_sums import compute
from agejax.training.loggers.writers import MetricsLog
from agejax.types import Batch, Tree
from agejax.utils.notes import bar, note


class Progress:
    """The bar, the clock and the metric log of a run."""

    def __init__(
        self, log: MetricsLog, *, done: int, steps: int, batch_size: int, steps_per_call: int
    ):
        """Starts at step `done` of `steps`."""
        self._log, self._size = log, batch_size * steps_per_call
        total, initial = steps * batch_size, done * batch_size
        self._bar = bar(
            total=total,
            initial=initial,
            unit="img",
            unit_scale=True,
            mininterval=1,
            **({} if is_first() else {"disable": True}),
        )
        self._line: dict[str, Any] = {}
        self._start_clock()

    def next(self, batches: Iterator[Batch]) -> Batch:
        """The next batch; notes how long it was waited for."""
        start = time.perf_counter()
        batch = next(batches)
        self._waited += time.perf_counter() - start
        return batch

    def step(self) -> None:
        """The train step was called."""
        self._bar.update(self._size)
        self._images += self._size

    def trained(self, steps: int, window: Tree) -> None:
        """Notes the metrics of the last `steps` steps."""
        window = jax.device_get(window)
        elapsed = time.perf_counter() - self._started
        refused = int(window["refused"])
        loss = float(window["loss"]) / (steps - refused) if steps > refused else None
        self._line |= {"loss": loss, **compute(window["tasks"])}
        if refused:
            self._line["refused"] = refused
        self._line["images_per_second"] = round(self._images / elapsed, 1)
        self._line["input_wait"] = round(self._waited / elapsed, 4)
        mae = self._line["age"].get("mae", {}).get("median", float("nan"))
        shown = "none" if loss is None else f"{loss:.3f}"
        self._bar.set_postfix(loss=shown, mae=f"{mae:.2f}", refresh=False)
        self._start_clock()

    def validated(self, step: int, figures: dict[str, Any]) -> None:
        """Notes the figures of a validation."""
        self._line["validation"] = figures
        told = [
            f"MAE {of['mae']['median']:.2f} years"
            if "mae" in of
            else f"{task} {of['accuracy']:.1%}"
            for task, of in figures.items()
            if of.get("n") and "nll" in of
        ]
        note(f"step {step:,}: validation {', '.join(told)}")
        self._start_clock()

    def write(self, step: int) -> None:
        """Writes what was noted at `step`, if anything was."""
        if self._line:
            self._log.write(step=step, **self._line)
        self._line = {}

    def sync(self) -> None:
        """Waits until the log is on the disk."""
        self._log.sync()

    def close(self) -> None:
        """Ends the bar and the log."""
        self._bar.close()
        self._log.close()

    def _start_clock(self) -> None:
        self._started, self._waited, self._images = time.perf_counter(), 0.0, 0
