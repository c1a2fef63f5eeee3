"""The simulated loop advances its clock only when nothing is ready, and runs callbacks in order."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from tests.simulation import loop as simulated
from tests.simulation.loop import EndlessError, SimulatedLoop

T = TypeVar("T")


def run(work: Callable[[SimulatedLoop], Coroutine[Any, Any, T]]) -> T:
    loop = SimulatedLoop()
    try:
        return loop.run_until_complete(work(loop))
    finally:
        loop.close()


def test_sleeping_for_an_hour_takes_no_real_time() -> None:
    async def sleep(loop: SimulatedLoop) -> float:
        await asyncio.sleep(3600)  # fixed: simulated time
        return loop.time()

    began_s = time.monotonic()
    assert run(sleep) == 3600
    assert time.monotonic() - began_s < 60


def test_timers_run_by_time_and_then_in_the_order_scheduled() -> None:
    async def ask(loop: SimulatedLoop) -> list[str]:
        order: list[str] = []
        for name, after_s in (("d", 2), ("a", 1), ("b", 1), ("c", 1)):
            loop.call_later(after_s, order.append, name)
        await asyncio.sleep(3)  # fixed: simulated time
        return order

    assert run(ask) == ["a", "b", "c", "d"]


def test_cancelled_timers_neither_run_nor_advance_the_clock() -> None:
    async def cancel(loop: SimulatedLoop) -> float:
        loop.call_later(100, pytest.fail).cancel()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        return loop.time()

    assert run(cancel) == 5


def test_waiting_for_something_that_never_happens_raises() -> None:
    with pytest.raises(EndlessError):
        run(lambda _: asyncio.Event().wait())


def test_callbacks_that_schedule_callbacks_without_end_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    async def spin(loop: SimulatedLoop) -> None:
        while True:  # noqa: ASYNC110 - on purpose
            await asyncio.sleep(0)

    monkeypatch.setattr(simulated, "MAX_CALLBACKS", 1000)
    with pytest.raises(EndlessError):
        run(spin)
