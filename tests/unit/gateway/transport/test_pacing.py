"""A few in each turn of the event loop, in order, none forgotten, and none kept waiting for nothing."""

import asyncio
import itertools

from services.gateway.transport.pacing import PacedQueue


async def test_one_who_comes_alone_does_not_wait() -> None:
    turns, done = PacedQueue(2), list[int]()
    turns.add(lambda: done.append(1))
    await turns.wait_turn()
    assert done == [1]


async def test_a_crowd_has_a_few_turns_at_a_time_in_its_order() -> None:
    turns, done = PacedQueue(8), list[int]()
    counts = [0]
    for number in range(100):
        turns.add(lambda number=number: done.append(number))  # type: ignore[misc]
    counts.append(len(done))
    while len(done) < 100:
        await asyncio.sleep(0)
        counts.append(len(done))
    assert done == list(range(100))
    assert max(after - before for before, after in itertools.pairwise(counts)) == 8


async def test_who_waits_comes_in_the_same_order_and_who_gives_up_keeps_nobody() -> None:
    turns, came = PacedQueue(1), list[int]()

    async def visit(number: int) -> None:
        await turns.wait_turn()
        came.append(number)

    visitors = [asyncio.create_task(visit(number)) for number in range(20)]
    await asyncio.sleep(0)
    visitors[5].cancel()
    await asyncio.gather(*visitors, return_exceptions=True)
    assert came == [number for number in range(20) if number != 5]


async def test_there_is_room_again_in_the_next_turn() -> None:
    turns, done = PacedQueue(1), list[int]()
    for number in range(3):
        turns.add(lambda number=number: done.append(number))  # type: ignore[misc]
        assert done[-1] == number
        await asyncio.sleep(0)
