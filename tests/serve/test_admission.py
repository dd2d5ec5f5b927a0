"""Room is taken from who takes most of it."""

import asyncio
import contextlib

import pytest

from agejax.serve.admission import Admission, Refused
from agejax.serve.limits import Limits


def asked(admission, client, *, held=0, work=0.0):
    """A request that takes its room and then waits: its outcome, None while it waits."""

    async def request():
        with admission.guest(client) as guest:
            async with guest:
                guest.within(60, Refused(503, "late"))
                admission.hold(guest, held)
                guest.work = work
                admission.admit(guest)
                await asyncio.sleep(60)

    return asyncio.create_task(request())


def statuses(limits, *requests):
    """The statuses of requests that come one after the other; None for those that stay."""

    async def run():
        admission = Admission(limits)
        tasks = []
        for client, room in requests:
            tasks.append(asked(admission, client, **room))
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        seen = [task.exception().status if task.done() else None for task in tasks]
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Refused):
                await task
        assert admission.admitted == 0
        return seen

    return asyncio.run(run())


def test_the_request_that_holds_most_makes_room():
    limits = Limits(held_mib=1)
    large, small = {"held": 600_000}, {"held": 100_000}
    assert statuses(limits, ("a", large), ("a", small), ("a", {"held": 500_000})) == [
        429,
        None,
        None,
    ]
    assert statuses(limits, ("a", small), ("a", {"held": 2_000_000})) == [None, 429]


def test_the_request_that_asks_for_most_work_makes_room():
    limits = Limits(requests=2)
    asking = [("a", {"work": n}) for n in (9, 100, 1, 50)]
    assert statuses(limits, *asking) == [None, 429, None, 429]


def test_the_client_that_has_most_makes_room():
    few, many = ("few", {"work": 90}), ("many", {"work": 1})
    assert statuses(Limits(requests=3), many, many, many, few).count(429) == 1
    assert statuses(Limits(requests=3), many, many, many, few)[-1] is None


def test_a_request_out_of_time_is_refused_as_was_said():
    async def run():
        with Admission(Limits()).guest("a") as guest:
            async with guest:
                guest.within(0.01, Refused(408, "slow"))
                await asyncio.sleep(10)

    with pytest.raises(Refused, match="slow"):
        asyncio.run(run())
