"""The writer's queue: bounds and groups."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import Append
from services.history.messages.write_queue import AppendJob, ChangeJob, Job, QueueBounds, WriteQueue
from services.history.messages.write_transaction import WriteTransaction

LOOP = asyncio.new_event_loop()
LOOP.close()


def job(messages: int = 1, content: str = "hello") -> AppendJob:
    return AppendJob([Append(1, 1, "alice", content, "k")] * messages, asyncio.Future(loop=LOOP))


async def nothing(_: WriteTransaction) -> None:
    """A change without effect."""


def change() -> ChangeJob:
    return ChangeJob(nothing, asyncio.Future(loop=LOOP))


class TestBounds:
    def test_a_full_write_queue_refuses_messages_as_unavailable_with_a_retry_time(self) -> None:
        queue = WriteQueue(QueueBounds(waiting_messages=10))
        queue.put(job(9))
        with pytest.raises(ChatError) as refused:
            queue.put(job(2))
        assert (refused.value.code, refused.value.retry_after_s) == (Code.UNAVAILABLE, 1.0)
        queue.put(job(1))

    def test_the_write_queue_refuses_too_many_bytes_even_in_few_messages(self) -> None:
        queue = WriteQueue(QueueBounds(waiting_bytes=10_000))
        queue.put(job(content="x" * 2000))
        with pytest.raises(ChatError):
            queue.put(job(content="x" * 2000))

    def test_taken_jobs_free_the_write_queue(self) -> None:
        queue = WriteQueue(QueueBounds(waiting_messages=10))
        for _ in range(5):
            queue.put(job(10))
            queue.take()
        assert len(queue) == 0

    def test_changes_count_towards_the_bounds_of_the_write_queue(self) -> None:
        queue = WriteQueue(QueueBounds(waiting_messages=1))
        queue.put(change())
        with pytest.raises(ChatError):
            queue.put(change())


class TestGroups:
    @given(st.lists(st.integers(0, 50), max_size=30))
    def test_groups_of_jobs_keep_the_order_and_lose_no_job(self, sizes: list[int]) -> None:
        queue = WriteQueue(QueueBounds(group_messages=40))
        jobs: list[Job] = [job(size) for size in sizes]
        for waiting in jobs:
            queue.put(waiting)
        taken: list[Job] = []
        while group := queue.take():
            messages = sum(len(one.messages) for one in group if isinstance(one, AppendJob))
            assert messages <= 40 or len(group) == 1
            taken += group
        assert taken == jobs

    def test_a_job_larger_than_a_group_is_taken_alone(self) -> None:
        queue = WriteQueue(QueueBounds(group_messages=5))
        large, small = job(9), job()
        queue.put(large)
        queue.put(small)
        assert queue.take() == [large]
        assert queue.take() == [small]

    def test_an_empty_write_queue_gives_an_empty_group(self) -> None:
        assert WriteQueue(QueueBounds()).take() == []
