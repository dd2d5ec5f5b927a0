"""Clients that misbehave hold nobody up: each is cut off, and honest ones are answered in time.

Part of the battery: tests/battery/counts.py says how many.
"""

import asyncio
import contextlib
import time

import pytest

from tests.battery.clients import CROP, WAITERS, hogs, large_images, tiny_chunks
from tests.battery.counts import counts, tell
from tests.photos import backdrop, encoded
from tests.serve.http import ask, form, json_of

KIND = "multipart/form-data; boundary=x"


def test_every_client_that_waits_for_ever_is_cut_off(serving):
    async def ended(name, client, port):
        start = time.perf_counter()
        try:
            await asyncio.wait_for(client(port), 20)
        except TimeoutError:
            return name, None
        return name, time.perf_counter() - start

    async def everybody(port):
        return await asyncio.gather(*(ended(*client, port) for client in WAITERS.items()))

    with serving(seconds=0.5) as port:
        took = dict(asyncio.run(everybody(port)))
    assert not [name for name, seconds in took.items() if seconds is None]


def test_bodies_that_do_not_come_take_nobodys_place(serving):
    async def asked(port):
        waiting = [asyncio.create_task(WAITERS["no body"](port)) for _ in range(20)]
        await asyncio.sleep(0.5)
        answer = await ask(port, body=CROP)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return answer

    with serving(requests=2, seconds=20) as port:
        assert asyncio.run(asked(port))[0] == 200


def test_connections_beyond_the_limit_take_the_place_of_those_that_wait(serving):
    async def crowd(port):
        waiting = [asyncio.create_task(WAITERS["no body"](port)) for _ in range(30)]
        async with asyncio.timeout(20):
            while sum(not task.done() for task in waiting) > 10:
                await asyncio.sleep(0.1)
        answers = [await ask(port, body=CROP) for _ in range(3)]
        left = sum(not task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return left, [status for status, _ in answers]

    with serving(connections=10, seconds=20) as port:
        left, statuses = asyncio.run(crowd(port))
    assert statuses == [200, 200, 200]
    assert 0 < left <= 10


def test_what_all_images_of_a_request_have_in_pixels_is_bounded(serving):
    crops = {f"{i}.jpg": encoded(backdrop(1000, 500)) for i in range(5)}
    with serving(megapixels=1, request_megapixels=2) as port:
        answer = asyncio.run(ask(port, body=form(crops, "x")[0], kind=KIND))
        assert answer[0] == 413
        assert "2 million" in json_of(answer)["error"]
        too_large = {"large.png": encoded(backdrop(2000, 2000), "PNG"), "crop": CROP}
        answer = asyncio.run(ask(port, body=form(too_large, "x")[0], kind=KIND))
        assert [bool(image["error"]) for image in json_of(answer)["images"]] == [True, False]


def test_64_large_images_are_refused_unread(serving):
    with serving() as port:
        answer = asyncio.run(ask(port, body=large_images(64, side=7000), kind=KIND))
        assert answer[0] == 413
        assert "3,136 million" in json_of(answer)["error"]


def test_chunks_of_a_byte_are_cut_off_soon(serving):
    async def sent(port):
        with contextlib.suppress(ConnectionError, IndexError):
            return await asyncio.wait_for(ask(port, raw=tiny_chunks()), 20)

    with serving(seconds=30) as port:
        assert asyncio.run(sent(port)) is None


@pytest.mark.parametrize("rounds", counts(20, smoke=1))
def test_honest_clients_are_answered_in_time_beside_all_of_these(serving, rounds):
    share = 0.02 if rounds == 1 else 1.0
    clients = [*WAITERS.values(), *hogs(share).values()]
    took: dict[str, list[float]] = {"/predict": [], "/health": [], "nothing": []}

    async def again(client, port, host):
        while True:
            with contextlib.suppress(OSError, EOFError):
                await client(port, host)
            await asyncio.sleep(0.1)

    async def honest(path, port):
        while True:
            start = time.perf_counter()
            if path == "nothing":
                await asyncio.sleep(0)  # how late this process itself is
            elif path == "/health":
                assert (await ask(port, "GET", path))[0] == 200
            else:
                assert (await ask(port, body=CROP))[0] == 200
            took[path].append(time.perf_counter() - start)
            await asyncio.sleep(0.1)

    async def everybody(port):
        # Half of them from the address of the honest ones, the others from another.
        tasks = [
            asyncio.create_task(again(client, port, f"127.0.0.{1 + i % 2}"))
            for i, client in enumerate(clients * (1 if rounds == 1 else 3))
        ]
        tasks += [asyncio.create_task(honest(path, port)) for path in took]
        done, _ = await asyncio.wait(tasks, timeout=3 * rounds, return_when="FIRST_EXCEPTION")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    with serving(seconds=2.0 if rounds == 1 else 5.0) as port:
        asyncio.run(everybody(port))
        assert asyncio.run(ask(port, body=CROP))[0] == 200
        closing = time.perf_counter()
    assert time.perf_counter() - closing < 20  # nothing is done for those who have left
    late = max(took["nothing"])
    slowest = {path: max(seconds) for path, seconds in took.items()}
    assert slowest["/health"] < 1 + 4 * late
    assert slowest["/predict"] < 2 + 4 * late
    tell(
        f"{len(clients)} kinds of clients that misbehave, beside honest ones",
        f"{len(took['/predict']):,} honest requests answered, the slowest in "
        f"{slowest['/predict']:.2f} s, `/health` in {slowest['/health']:.2f} s",
    )
