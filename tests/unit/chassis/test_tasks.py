"""Task sets."""

import asyncio

import pytest

from chatterbox.chassis.tasks import TaskSet


async def test_close_cancels_running_tasks_and_waits_for_their_end() -> None:
    tasks, ended = TaskSet(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = tasks.spawn(work())
    await asyncio.sleep(0)
    await tasks.close()
    assert task.cancelled()
    assert ended.is_set()
    assert len(tasks) == 0


async def test_join_waits_for_tasks_without_cancelling_them() -> None:
    tasks, done = TaskSet(), []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append(1)

    tasks.spawn(work())
    await tasks.join()
    assert done == [1]


async def test_a_task_that_fails_is_logged_once_and_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    tasks = TaskSet()

    async def work() -> None:
        raise ValueError("broken")

    tasks.spawn(work())
    await tasks.join()
    await asyncio.sleep(0)
    assert caplog.messages == ["task.failed"]
    assert len(tasks) == 0
