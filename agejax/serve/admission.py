"""Admission control: bounds the requests in progress and the bytes of their bodies.

When a limit is reached, a request of the client with the largest share is rejected, as routers drop
from the longest queue (Suter et al., IEEE JSAC 1999), so no client can starve the others.
"""

import asyncio
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from agejax.serve.limits import MIB, Limits


class Refused(Exception):
    """A request that is answered with an error status and a one-line message."""

    def __init__(self, status: int, line: str):
        super().__init__(line)
        self.status = status


class Guest:
    """A request in progress.

    Attributes:
      client: the key of the client that sent it.
      held: bytes of its body received so far.
      work: its estimated cost as far as known, in a unit common to all requests.
      admitted: whether it has been received completely, and is processed or queued.
    """

    def __init__(self, client: Hashable):
        self.client, self.held, self.work, self.admitted = client, 0, 0.0, False
        self._limit = asyncio.timeout(None)
        self._refusal = Refused(503, "the request timed out")
        self._ended = False

    def within(self, seconds: float, refusal: Refused) -> None:
        """Sets its deadline to `seconds` from now; after that, `refusal` is its answer."""
        if self._ended:
            raise self._refusal
        self._refusal = refusal
        self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    def end(self, refusal: Refused) -> None:
        """Cancels its processing; `refusal` is its answer."""
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
    """All requests of a service; to be used only in its event loop."""

    def __init__(self, limits: Limits):
        self._most_held, self._most_admitted = int(limits.held_mib * MIB), limits.requests
        self._guests: dict[Hashable, set[Guest]] = {}
        self._held: Counter[Hashable] = Counter()  # bytes, by client
        self._admitted: Counter[Hashable] = Counter()  # requests, by client

    @contextmanager
    def guest(self, client: Hashable) -> Iterator[Guest]:
        """Registers a request; releases what it holds on exit."""
        guest = Guest(client)
        self._guests.setdefault(client, set()).add(guest)
        try:
            yield guest
        finally:
            self._release(guest)
            self._guests[client].remove(guest)
            if not self._guests[client]:
                del self._guests[client], self._held[client], self._admitted[client]

    def hold(self, guest: Guest, n: int) -> None:
        """Adds `n` bytes of its body.

        Raises:
          Refused: the limit is exceeded, and this request is the one chosen for rejection.
        """
        guest.held += n
        self._held[guest.client] += n
        while self._held.total() > self._most_held:
            self._refuse(self._largest(self._held, "held"), guest, "too many bytes")

    def admit(self, guest: Guest) -> None:
        """Admits it for processing; `work` is its estimated cost.

        Raises:
          Refused: the limit is exceeded, and this request is the one chosen for rejection.
        """
        guest.admitted = True
        self._admitted[guest.client] += 1
        while self._admitted.total() > self._most_admitted:
            self._refuse(self._largest(self._admitted, "work"), guest, "too many requests")

    @property
    def admitted(self) -> int:
        """Number of requests that are processed or queued."""
        return self._admitted.total()

    def _largest(self, taken: Counter[Hashable], what: str) -> Guest:
        """The largest request of the client with the largest total."""
        client = max(taken, key=taken.__getitem__)
        guests = (x for x in self._guests[client] if what == "held" or x.admitted)
        return max(guests, key=lambda guest: getattr(guest, what))

    def _refuse(self, victim: Guest, guest: Guest, what: str) -> None:
        refusal = Refused(429, f"{what} in progress; try again later")
        self._release(victim)
        if victim is guest:
            raise refusal
        victim.end(refusal)

    def _release(self, guest: Guest) -> None:
        self._held[guest.client] -= guest.held
        self._admitted[guest.client] -= guest.admitted
        guest.held, guest.admitted = 0, False
