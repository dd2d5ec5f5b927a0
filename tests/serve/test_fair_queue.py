"""Turns among clients, and among the requests of each."""

from agejax.serve.batching import Batcher
from agejax.serve.fair_queue import FairQueue


def taken(queue, n):
    return [item for _ in range(n) for item in queue.take(0)]


def test_who_asks_for_much_does_not_hold_up_who_asks_for_little():
    queue = FairQueue()
    queue.put("a", [(f"large {i}", 49) for i in range(64)])
    assert queue.take(0) == ["large 0"]
    queue.put("a", [("small", 1)])
    queue.put("b", [("other's", 1)])
    assert sorted(taken(queue, 2)) == ["other's", "small"]
    assert queue.take(0) == ["large 1"]


def test_clients_get_equal_shares_however_many_requests_they_send():
    queue = FairQueue()
    for i in range(50):
        queue.put("many", [(f"many {i}", 1)])
    queue.put("one", [(f"one {i}", 1) for i in range(5)])
    first = taken(queue, 10)
    assert [item for item in first if item.startswith("one")] == [f"one {i}" for i in range(5)]


def test_requests_of_a_client_take_turns():
    queue = FairQueue()
    for name in "ab":
        queue.put("client", [(f"{name}{i}", 1) for i in range(3)])
    assert taken(queue, 6) == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_a_batch_takes_what_fits_and_at_least_one():
    queue = FairQueue()
    queue.put("a", [(5, 5), (2, 2), (3, 3)])
    assert [queue.take(4) for _ in range(3)] == [[5], [2], [3]]
    queue.put("a", [(i, 1) for i in range(5)])
    assert [queue.take(4) for _ in range(2)] == [[0, 1, 2, 3], [4]]


def test_what_is_withdrawn_is_not_taken_and_a_closed_queue_ends():
    queue = FairQueue()
    ticket = queue.put("a", [(1, 1), (2, 1)])
    queue.put("a", [(3, 1)])
    assert queue.take(0) == [1]
    queue.withdraw(ticket)
    queue.withdraw(ticket)
    assert queue.take(0) == [3]
    queue.close()
    assert queue.take(0) == []


def test_a_request_that_is_given_up_costs_nothing_more():
    done = []
    batcher = Batcher(lambda items: [done.extend(items)], most=0)
    batcher.submit("a", [1], [1]).result(10)
    future = batcher.submit("a", range(100_000), [1] * 100_000)
    future.cancel()
    batcher.submit("a", [-1], [1]).result(10)
    batcher.close()
    assert done[-1] == -1
    assert len(done) < 100_000
