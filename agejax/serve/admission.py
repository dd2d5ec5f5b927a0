"""Who is let in: requests and the bytes of their bodies are bounded, and shared among clients.

Where there is no room, whoever takes most of it makes room, as routers drop from the longest queue
(Suter et al., IEEE JSAC 1999): nobody can take the service from others by filling it.
"""

import asyncio
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from agejax.serve.limits import MIB, Limits


class Refused(Exception):
    """A request that is answered with a status and one line."""

    def __init__(self, status: int, line: str):
        super().__init__(line)
        self.status = status


class Guest:
    """A request while it lasts.

    Attributes:
      client: who sent it.
      held: bytes of its body, so far.
      work: what it asks for, in any unit that all share; what is known of it so far.
      admitted: whether it has come in whole, and is worked on or waits for that.
    """

    def __init__(self, client: Hashable):
        self.client, self.held, self.work, self.admitted = client, 0, 0.0, False
        self._limit = asyncio.timeout(None)
        self._refusal = Refused(503, "there was no answer in time")
        self._ended = False

    def within(self, seconds: float, refusal: Refused) -> None:
        """Gives it so long from now; past that, `refusal` is its answer."""
        if self._ended:
            raise self._refusal
        self._refusal = refusal
        self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    def end(self, refusal: Refused) -> None:
        """Stops what is done for it, wherever that is; `refusal` is its answer."""
        if not self._ended and not self._limit.expired():
            self._ended, self._refusal = True, refusal
            self._limit.reschedule(0)

    async def __aenter__(self) -> "Guest":
        await self._limit.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        try:
            await self._limit.__aexit__(*error)  # type: ignore[arg-type]
        except TimeoutError:
            raise self._refusal from None


class Admission:
    """All requests of a service; to be used in its event loop alone."""

    def __init__(self, limits: Limits):
        self._most_held, self._most_admitted = int(limits.held_mib * MIB), limits.requests
        self._guests: dict[Hashable, set[Guest]] = {}
        self._held: Counter[Hashable] = Counter()  # bytes, by client
        self._admitted: Counter[Hashable] = Counter()  # requests, by client

    @contextmanager
    def guest(self, client: Hashable) -> Iterator[Guest]:
        """A request that takes no room yet, and leaves none taken."""
        guest = Guest(client)
        self._guests.setdefault(client, set()).add(guest)
        try:
            yield guest
        finally:
            self._make_room(guest)
            self._guests[client].remove(guest)
            if not self._guests[client]:
                del self._guests[client], self._held[client], self._admitted[client]

    def hold(self, guest: Guest, n: int) -> None:
        """Counts `n` more bytes of its body.

        Raises:
          Refused: there is no room, and it is the one that takes most.
        """
        guest.held += n
        self._held[guest.client] += n
        while self._held.total() > self._most_held:
            self._refuse(self._largest(self._held, "held"), guest, "too much")

    def admit(self, guest: Guest) -> None:
        """Counts it among those that are worked on; `work` says how much it asks for.

        Raises:
          Refused: there is no room, and it is the one that asks for most.
        """
        guest.admitted = True
        self._admitted[guest.client] += 1
        while self._admitted.total() > self._most_admitted:
            self._refuse(self._largest(self._admitted, "work"), guest, "too many requests")

    @property
    def admitted(self) -> int:
        """How many requests are worked on, or wait for it."""
        return self._admitted.total()

    def _largest(self, taken: Counter[Hashable], what: str) -> Guest:
        """Of the client that takes most, the request that does."""
        client = max(taken, key=taken.__getitem__)
        guests = (x for x in self._guests[client] if what == "held" or x.admitted)
        return max(guests, key=lambda guest: getattr(guest, what))

    def _refuse(self, victim: Guest, guest: Guest, what: str) -> None:
        refusal = Refused(429, f"{what} is being worked on; try again in a while")
        self._make_room(victim)
        if victim is guest:
            raise refusal
        victim.end(refusal)

    def _make_room(self, guest: Guest) -> None:
        self._held[guest.client] -= guest.held
        self._admitted[guest.client] -= guest.admitted
        guest.held, guest.admitted = 0, False
