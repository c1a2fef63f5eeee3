"""HTTP requests in progress: a few steps per event-loop turn, whatever they wait for, and nothing else changes."""

import asyncio
import itertools

import pytest
from starlette.types import Receive, Scope, Send

from chatterbox.chassis.http.paced_requests import RequestPacingMiddleware
from chatterbox.chassis.pacing import PacedQueue

HTTP: Scope = {"type": "http"}
WEBSOCKET: Scope = {"type": "websocket"}


async def _receive() -> dict[str, str]:
    return {}


async def _send(_: object) -> None:
    pass


async def _most_per_turn(scope: Scope, requests: int, steps_per_turn: int) -> int:
    """The most steps in one turn of requests that all wait for one event."""
    commit = asyncio.Event()
    steps = 0

    async def app(_: Scope, __: Receive, ___: Send) -> None:
        nonlocal steps
        await commit.wait()
        steps += 1

    paced = RequestPacingMiddleware(app, steps_per_turn)
    running = [asyncio.create_task(paced(scope, _receive, _send)) for _ in range(requests)]
    for _ in range(2 * requests):
        await asyncio.sleep(0)
    commit.set()
    counts = [0]
    while not all(task.done() for task in running):
        await asyncio.sleep(0)
        counts.append(steps)
    assert steps == requests
    return max(after - before for before, after in itertools.pairwise(counts))


async def test_requests_that_wait_for_one_commit_continue_a_few_per_turn() -> None:
    assert await _most_per_turn(HTTP, requests=20, steps_per_turn=2) == 2


async def test_websockets_are_not_paced_as_requests() -> None:
    assert await _most_per_turn(WEBSOCKET, requests=20, steps_per_turn=2) == 20


async def test_a_paced_coroutine_returns_its_result_and_raises_its_error() -> None:
    queue = PacedQueue(1)

    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError("it")

    assert await queue.in_steps(answer()) == 42
    with pytest.raises(KeyError, match="it"):
        await queue.in_steps(fail())


async def test_a_paced_coroutine_gets_the_error_of_what_it_waits_for() -> None:
    queue = PacedQueue(1)
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def handle() -> str:
        try:
            await future
        except OSError as problem:
            return str(problem)
        return "no error"

    task = asyncio.create_task(queue.in_steps(handle()))
    await asyncio.sleep(0)
    future.set_exception(OSError("the disk is full"))
    assert await task == "the disk is full"


@pytest.mark.parametrize("busy", [False, True], ids=["waiting for something", "waiting for its turn"])
async def test_a_cancelled_paced_coroutine_cleans_up(busy: bool) -> None:
    queue, cleaned = PacedQueue(1), list[bool]()

    async def handle() -> None:
        try:
            await asyncio.sleep(0)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    task = asyncio.create_task(queue.in_steps(handle()))
    await asyncio.sleep(0)
    if busy:
        for _ in range(5):
            queue.add(lambda: None)
    else:
        for _ in range(5):
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == [True]


async def test_a_timeout_within_a_paced_coroutine_ends_it_in_time() -> None:
    async def handle() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            return "late"
        return "in time"

    assert await PacedQueue(1).in_steps(handle()) == "late"
