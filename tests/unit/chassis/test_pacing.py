"""Paced callbacks: a few per event-loop turn, in order, none lost, none delayed needlessly."""

import asyncio
import itertools

from chatterbox.chassis.pacing import PacedQueue


async def test_single_callback_runs_at_once() -> None:
    queue, done = PacedQueue(2), list[int]()
    queue.add(lambda: done.append(1))
    await queue.wait_turn()
    assert done == [1]


async def test_burst_runs_a_few_callbacks_per_turn_in_order() -> None:
    queue, done = PacedQueue(8), list[int]()
    counts = [0]
    for number in range(100):
        queue.add(lambda number=number: done.append(number))  # type: ignore[misc]
    counts.append(len(done))
    while len(done) < 100:
        await asyncio.sleep(0)
        counts.append(len(done))
    assert done == list(range(100))
    assert max(after - before for before, after in itertools.pairwise(counts)) == 8


async def test_waiters_run_in_order_and_a_cancelled_one_blocks_no_other() -> None:
    queue, order = PacedQueue(1), list[int]()

    async def wait(number: int) -> None:
        await queue.wait_turn()
        order.append(number)

    waiters = [asyncio.create_task(wait(number)) for number in range(20)]
    await asyncio.sleep(0)
    waiters[5].cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    assert order == [number for number in range(20) if number != 5]


async def test_capacity_is_restored_in_the_next_turn() -> None:
    queue, done = PacedQueue(1), list[int]()
    for number in range(3):
        queue.add(lambda number=number: done.append(number))  # type: ignore[misc]
        assert done[-1] == number
        await asyncio.sleep(0)
