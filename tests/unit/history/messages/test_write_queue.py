"""What waits for the writer is bounded, and keeps its order."""

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
    """A change that changes nothing."""


def change() -> ChangeJob:
    return ChangeJob(nothing, asyncio.Future(loop=LOOP))


class TestBounds:
    def test_too_many_messages_are_refused_as_unavailable_with_a_time_to_retry(self) -> None:
        backlog = WriteQueue(QueueBounds(waiting_messages=10))
        backlog.put(job(9))
        with pytest.raises(ChatError) as refused:
            backlog.put(job(2))
        assert (refused.value.code, refused.value.retry_after_s) == (Code.UNAVAILABLE, 1.0)
        backlog.put(job(1))

    def test_too_many_bytes_are_refused_however_few_the_messages(self) -> None:
        backlog = WriteQueue(QueueBounds(waiting_bytes=10_000))
        backlog.put(job(content="x" * 2000))
        with pytest.raises(ChatError):
            backlog.put(job(content="x" * 2000))

    def test_what_was_taken_makes_room(self) -> None:
        backlog = WriteQueue(QueueBounds(waiting_messages=10))
        for _ in range(5):
            backlog.put(job(10))
            backlog.take()
        assert len(backlog) == 0

    def test_changes_count_too(self) -> None:
        backlog = WriteQueue(QueueBounds(waiting_messages=1))
        backlog.put(change())
        with pytest.raises(ChatError):
            backlog.put(change())


class TestGroups:
    @given(st.lists(st.integers(0, 50), max_size=30))
    def test_groups_keep_the_order_and_lose_nothing(self, sizes: list[int]) -> None:
        backlog = WriteQueue(QueueBounds(group_messages=40))
        jobs: list[Job] = [job(size) for size in sizes]
        for waiting in jobs:
            backlog.put(waiting)
        taken: list[Job] = []
        while group := backlog.take():
            messages = sum(len(one.messages) for one in group if isinstance(one, AppendJob))
            assert messages <= 40 or len(group) == 1
            taken += group
        assert taken == jobs

    def test_a_job_larger_than_a_group_goes_alone(self) -> None:
        backlog = WriteQueue(QueueBounds(group_messages=5))
        large, small = job(9), job()
        backlog.put(large)
        backlog.put(small)
        assert backlog.take() == [large]
        assert backlog.take() == [small]

    def test_nothing_waiting_is_an_empty_group(self) -> None:
        assert WriteQueue(QueueBounds()).take() == []
