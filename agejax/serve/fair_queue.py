"""A queue that is fair among clients, and among the requests of each.

Self-clocked fair queueing (Golestani, INFOCOM 1994) at two levels: each waiting client gets an
equal share of the work, so small requests finish soon regardless of large ones.
"""

import threading
from collections import deque
from collections.abc import Hashable, Iterable
from operator import attrgetter
from typing import Generic, TypeVar

Item = TypeVar("Item")
_due = attrgetter("due")


class Ticket(Generic[Item]):
    """The queued jobs of one request, in order.

    Attributes:
      client: the key of its client.
      jobs: (job, cost) pairs.
      due: the virtual time of its client at which its next job finishes.
    """

    def __init__(self, client: Hashable, jobs: Iterable[tuple[Item, float]]):
        self.client, self.jobs, self.due = client, deque(jobs), 0.0


class _Client(Generic[Item]):
    def __init__(self, served: float):
        self.tickets: dict[Ticket[Item], None] = {}
        self.now = 0.0  # the virtual time among this client's tickets
        self.served = served  # the virtual time at which this client was last served
        self.head: Ticket[Item]
        self.due = 0.0

    def update(self) -> None:
        """Finds the next ticket; to be called after the tickets have changed."""
        self.head = min(self.tickets, key=_due)
        self.due = self.served + self.head.jobs[0][1]


class FairQueue(Generic[Item]):
    """Jobs of known cost, each taken once. Thread-safe."""

    def __init__(self):
        self._changed = threading.Condition()
        self._clients: dict[Hashable, _Client[Item]] = {}
        self._now = 0.0
        self._closed = False

    def put(self, client: Hashable, jobs: Iterable[tuple[Item, float]]) -> Ticket[Item]:
        """Queues the jobs of a request: at least one, each with a positive cost."""
        ticket = Ticket(client, jobs)
        with self._changed:
            if client not in self._clients:
                self._clients[client] = _Client(self._now)
            known = self._clients[client]
            ticket.due = known.now + ticket.jobs[0][1]
            known.tickets[ticket] = None
            known.update()
            self._changed.notify(len(ticket.jobs))
        return ticket

    def withdraw(self, ticket: Ticket[Item]) -> None:
        """Drops the jobs of a ticket that are still queued."""
        with self._changed:
            client = self._clients.get(ticket.client)
            if client is not None and ticket in client.tickets:
                ticket.jobs.clear()
                self._settle(client, ticket)

    def take(self, most: float) -> list[Item]:
        """Waits for jobs and takes the next ones.

        Returns:
          Jobs of at most `most` total cost, or a single one that costs more; an empty list once the
          queue is closed and empty.
        """
        with self._changed:
            while not self._clients and not self._closed:
                self._changed.wait()
            items: list[Item] = []
            while self._clients:
                client = min(self._clients.values(), key=_due)
                cost = client.head.jobs[0][1]
                if items and cost > most:
                    break
                most -= cost
                items.append(self._pop(client))
            return items

    def close(self) -> None:
        """Closes the queue: `take` returns an empty list once all queued jobs are taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _pop(self, client: _Client[Item]) -> Item:
        ticket = client.head
        self._now = client.served = client.due
        client.now = ticket.due
        item, _ = ticket.jobs.popleft()
        if ticket.jobs:
            ticket.due += ticket.jobs[0][1]
        self._settle(client, ticket)
        return item

    def _settle(self, client: _Client[Item], ticket: Ticket[Item]) -> None:
        if not ticket.jobs:
            del client.tickets[ticket]
        if client.tickets:
            client.update()
            return
        del self._clients[ticket.client]  # a client that returns starts at the current time
        if not self._clients:
            self._now = 0.0
