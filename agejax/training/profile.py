"""A trace of some training steps, for TensorBoard or Perfetto."""

from pathlib import Path

import jax

from agejax.utils.notes import note

_FIRST, _LAST = 5, 15  # calls: the first ones compile, and let memory grow


class Trace:
    """Traces ten calls of the train step, once they take their usual time."""

    def __init__(self, folder: Path, wanted: bool):
        """Writes to `folder`, if it is wanted."""
        self._folder, self._calls, self._under_way = folder, 0, False
        self._wanted = wanted

    def step(self, loss: jax.Array) -> None:
        """A call was started whose result will be `loss`."""
        self._calls += 1
        if self._wanted and self._calls == _FIRST:
            loss.block_until_ready()
            options = jax.profiler.ProfileOptions()
            options.python_tracer_level = 0  # or Python's own frames fill the trace
            jax.profiler.start_trace(str(self._folder), profiler_options=options)
            self._under_way = True
        elif self._under_way and self._calls == _LAST:
            loss.block_until_ready()
            self.close()

    def close(self) -> None:
        """Writes what was traced."""
        if self._under_way:
            self._under_way = False
            jax.profiler.stop_trace()
            note(f"{self._folder}: a trace of some steps; open it with xprof or Perfetto")
