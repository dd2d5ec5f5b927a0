"""Requests that come at the same time, worked on together."""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Calls a function on all that waits, in one thread.

    Nobody waits for others to come: while one call runs, the next batch gathers. So a lone request
    is as quick as it can be, and a crowd shares its calls.
    """

    def __init__(self, function: Callable[[list[Item]], Sequence[Result]], most: int):
        """`function` gives a result for each of its items, of which it gets `most` at most."""
        self._function, self._most = function, most
        self._queue: queue.SimpleQueue[tuple[Item, Future[Result]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    def submit(self, item: Item) -> "Future[Result]":
        """The future result of an item; one that is cancelled is not worked on."""
        future: Future[Result] = Future()
        self._queue.put((item, future))
        return future

    def close(self) -> None:
        """Ends the thread once it has done what waits."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while first := self._queue.get():
            batch, last = [first], False
            while len(batch) < self._most and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    last = True
                    break
                batch.append(following)
            batch = [(item, f) for item, f in batch if f.set_running_or_notify_cancel()]
            self._answer(batch)
            if last:
                return

    def _answer(self, batch: list[tuple[Item, "Future[Result]"]]) -> None:
        if not batch:
            return
        try:
            results = self._function([item for item, _ in batch])
        except Exception as error:  # whoever asked is told; the thread lives on
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)
