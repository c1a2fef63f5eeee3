"""Queue of passwords that wait to be hashed: bounded, and fair between addresses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chatterbox.wire.errors import ChatError, Code
from services.auth.users.hash_queue import HashQueue


class Served:
    """Starts jobs that take a turn of the queue and end when the test says so."""

    def __init__(self, queue: HashQueue) -> None:
        self._queue = queue
        self._end = asyncio.Event()
        self.order: list[str] = []
        self.refused: list[str] = []
        self.problems: list[ChatError] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, *addresses: str) -> list[asyncio.Task[None]]:
        started = [asyncio.create_task(self._job(address)) for address in addresses]
        self._tasks += started
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # a refused job runs once more
        return started

    async def _job(self, address: str) -> None:
        try:
            async with self._queue.turn(address):
                self.order.append(address)
                await self._end.wait()
        except ChatError as problem:
            self.refused.append(address)
            self.problems.append(problem)

    async def finish(self) -> list[str]:
        """Let every job end; returns the addresses in the order in which they were served."""
        self._end.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return self.order


@asynccontextmanager
async def served(concurrency: int, waiting: int) -> AsyncIterator[Served]:
    queue = HashQueue(concurrency, waiting)
    jobs = Served(queue)
    yield jobs
    await jobs.finish()
    assert (queue.running, queue.waiting) == (0, 0)


async def test_addresses_take_turns_however_many_passwords_one_of_them_sends() -> None:
    async with served(1, 8) as jobs:
        await jobs.start(*["flood"] * 5, "alice", "bob")
        assert await jobs.finish() == ["flood", "flood", "alice", "bob", "flood", "flood", "flood"]


async def test_a_full_queue_refuses_the_newest_password_of_the_address_that_has_most() -> None:
    async with served(1, 4) as jobs:
        await jobs.start(*["flood"] * 5)
        await jobs.start("alice", "bob")
        assert jobs.refused == ["flood", "flood"]
        assert await jobs.finish() == ["flood", "flood", "alice", "bob", "flood"]


async def test_a_full_queue_refuses_an_address_that_has_as_many_as_any_other() -> None:
    async with served(1, 2) as jobs:
        await jobs.start("alice", "bob", "carol", "dave")
        assert jobs.refused == ["dave"]
        assert [(problem.code, problem.retry_after_s) for problem in jobs.problems] == [(Code.UNAVAILABLE, 1.0)]


async def test_no_more_than_the_concurrency_run_at_once() -> None:
    async with served(2, 8) as jobs:
        await jobs.start("a", "b", "c", "d")
        assert jobs.order == ["a", "b"]


async def test_a_cancelled_password_leaves_the_queue() -> None:
    async with served(1, 1) as jobs:
        await jobs.start("alice")
        (waiting,) = await jobs.start("bob")
        waiting.cancel()
        await asyncio.sleep(0)
        await jobs.start("carol")
        assert await jobs.finish() == ["alice", "carol"]
        assert not jobs.refused


async def test_a_password_cancelled_at_its_turn_passes_the_turn_on() -> None:
    queue = HashQueue(1, 8)
    jobs = Served(queue)
    async with queue.turn("alice"):
        (cancelled, _) = await jobs.start("bob", "carol")
        await asyncio.sleep(0)
    cancelled.cancel()  # its turn was granted, but it has not run yet
    assert await jobs.finish() == ["carol"]
    assert (queue.running, queue.waiting) == (0, 0)


async def test_without_room_to_wait_a_busy_queue_refuses() -> None:
    queue = HashQueue(1, 0)
    async with queue.turn("alice"):
        with pytest.raises(ChatError, match="unavailable"):
            async with queue.turn("bob"):
                pass
