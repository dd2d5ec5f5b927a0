"""Requests that come at the same time, worked on together, each in its turn."""

import contextlib
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import Any, Generic, TypeVar

from agejax.serve.fair_queue import FairQueue

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Request(Generic[Result]):
    """The results of a request's items, some of which are still missing."""

    def __init__(self, n: int):
        self.future: Future[list[Result]] = Future()
        self._results: list[Any] = [None] * n
        self._missing, self._lock = n, threading.Lock()

    def put(self, index: int, result: Result) -> None:
        with self._lock:
            self._results[index] = result
            self._missing -= 1
            if self._missing:
                return
        with contextlib.suppress(InvalidStateError):  # it was cancelled
            self.future.set_result(self._results)

    def fail(self, error: Exception) -> None:
        with contextlib.suppress(InvalidStateError):  # it was cancelled, or has failed already
            self.future.set_exception(error)


class Batcher(Generic[Item, Result]):
    """Calls a function on what waits, in one thread or a few, by `FairQueue`'s turns.

    Nobody waits for others to come: while one call runs, the next batch gathers. So a lone request
    is as quick as it can be, and a crowd shares its calls.
    """

    def __init__(
        self,
        function: Callable[[list[Item]], Sequence[Result]],
        most: float,
        threads: int = 1,
        name: str = "batcher",
    ):
        """`function` gives a result for each of its items: one, or as many as `most` allows."""
        self._function, self._most = function, most
        self._queue: FairQueue[tuple[_Request[Result], int, Item]] = FairQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{i}", daemon=True)
            for i in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self, client: Hashable, items: Sequence[Item], costs: Sequence[float]
    ) -> "Future[list[Result]]":
        """The future results of a request's items, in order; once cancelled, no more is done of it.

        The costs are above 0, in a unit that all share.
        """
        request: _Request[Result] = _Request(len(items))
        if not items:
            request.future.set_result([])
            return request.future
        jobs = [(request, i, item) for i, item in enumerate(items)]
        ticket = self._queue.put(client, zip(jobs, costs, strict=True))
        # Where it is answered, nothing is left to withdraw, unless it has failed.
        request.future.add_done_callback(lambda _: self._queue.withdraw(ticket))
        return request.future

    def close(self) -> None:
        """Ends the threads once they have done what waits."""
        self._queue.close()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._queue.take(self._most):
            try:
                results = self._function([item for _, _, item in batch])
            except Exception as error:  # whoever asked is told; the thread lives on
                for request, _, _ in batch:
                    request.fail(error)
            else:
                for (request, i, _), result in zip(batch, results, strict=True):
                    request.put(i, result)
            batch = results = None  # type: ignore[assignment]  # not kept while it waits
