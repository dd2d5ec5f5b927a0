"""Batches concurrent requests, with fair queueing among clients."""

import contextlib
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import Any, Generic, TypeVar

from agejax.serve.fair_queue import FairQueue

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Request(Generic[Result]):
    """The results of a request's items, completed one by one."""

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
    """Calls a function on batches of queued items, in the order of a `FairQueue`.

    A batch is never delayed to fill up: it is formed from the items that arrived during the
    previous call. A single request is processed immediately; concurrent requests share calls.
    """

    def __init__(
        self,
        function: Callable[[list[Item]], Sequence[Result]],
        most: float,
        threads: int = 1,
        name: str = "batcher",
    ):
        """Starts the threads.

        Args:
          function: maps a list of items to a result for each.
          most: maximum cost of a call, unless it has a single item.
          threads: number of threads.
          name: prefix of the threads' names.
        """
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
        """Queues a request's items; returns the future of their results, in order.

        Cancelling the future drops the items that are still queued. The costs are positive, in a
        unit common to all requests.
        """
        request: _Request[Result] = _Request(len(items))
        if not items:
            request.future.set_result([])
            return request.future
        jobs = [(request, i, item) for i, item in enumerate(items)]
        ticket = self._queue.put(client, zip(jobs, costs, strict=True))
        # Only a failed or cancelled request still has items to withdraw.
        request.future.add_done_callback(lambda _: self._queue.withdraw(ticket))
        return request.future

    def close(self) -> None:
        """Stops the threads after they have processed all queued items."""
        self._queue.close()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._queue.take(self._most):
            try:
                results = self._function([item for _, _, item in batch])
            except Exception as error:  # goes to the callers' futures; the thread continues
                for request, _, _ in batch:
                    request.fail(error)
            else:
                for (request, i, _), result in zip(batch, results, strict=True):
                    request.put(i, result)
            batch = results = None  # type: ignore[assignment]  # frees memory while waiting
