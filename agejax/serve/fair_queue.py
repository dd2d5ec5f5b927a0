"""A queue that is fair among clients, and among the requests of each.

Self-clocked fair queueing (Golestani, INFOCOM 1994) at two levels: whoever waits gets an equal
share of the work that is done, so that what is small is done soon, whatever else waits.
"""

import threading
from collections import deque
from collections.abc import Hashable, Iterable
from operator import attrgetter
from typing import Generic, TypeVar

Item = TypeVar("Item")
_due = attrgetter("due")


class Ticket(Generic[Item]):
    """What one request has waiting, in order.

    Attributes:
      client: whose it is.
      due: the share of its client's work at which its next job is done.
    """

    def __init__(self, client: Hashable, jobs: Iterable[tuple[Item, float]]):
        self.client, self.jobs, self.due = client, deque(jobs), 0.0


class _Client(Generic[Item]):
    def __init__(self, served: float):
        self.tickets: dict[Ticket[Item], None] = {}
        self.now = 0.0  # the share that the ticket served last had
        self.served = served  # the share of all work that this client had
        self.head: Ticket[Item]
        self.due = 0.0

    def look(self) -> None:
        """Finds whose turn is next; to be called where the tickets have changed."""
        self.head = min(self.tickets, key=_due)
        self.due = self.served + self.head.jobs[0][1]


class FairQueue(Generic[Item]):
    """Jobs of a known cost, each taken once; safe to call from threads."""

    def __init__(self):
        self._changed = threading.Condition()
        self._clients: dict[Hashable, _Client[Item]] = {}
        self._now = 0.0
        self._closed = False

    def put(self, client: Hashable, jobs: Iterable[tuple[Item, float]]) -> Ticket[Item]:
        """Has the jobs of a request wait, at least one, each with its cost, above 0."""
        ticket = Ticket(client, jobs)
        with self._changed:
            if client not in self._clients:
                self._clients[client] = _Client(self._now)
            known = self._clients[client]
            ticket.due = known.now + ticket.jobs[0][1]
            known.tickets[ticket] = None
            known.look()
            self._changed.notify(len(ticket.jobs))
        return ticket

    def withdraw(self, ticket: Ticket[Item]) -> None:
        """Drops what of a ticket still waits."""
        with self._changed:
            client = self._clients.get(ticket.client)
            if client is not None and ticket in client.tickets:
                ticket.jobs.clear()
                self._settle(client, ticket)

    def take(self, most: float) -> list[Item]:
        """The next jobs, of `most` cost in all, or one that costs more; waits until there are some.

        Returns:
          None at all once the queue is closed and empty.
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
        """Takes an end once what waits is taken."""
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
            client.look()
            return
        del self._clients[ticket.client]  # who comes back begins where the others are
        if not self._clients:
            self._now = 0.0
