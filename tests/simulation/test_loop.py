"""Time on the simulated loop passes only when nothing is left to do, and what is due runs in the order asked for."""

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


def test_an_hour_takes_no_time() -> None:
    async def sleep(loop: SimulatedLoop) -> float:
        await asyncio.sleep(3600)  # fixed: simulated time
        return loop.time()

    began_s = time.monotonic()
    assert run(sleep) == 3600
    assert time.monotonic() - began_s < 60


def test_timers_run_in_the_order_of_their_times_and_those_of_one_time_as_they_were_asked_for() -> None:
    async def ask(loop: SimulatedLoop) -> list[str]:
        seen: list[str] = []
        for name, after_s in (("d", 2), ("a", 1), ("b", 1), ("c", 1)):
            loop.call_later(after_s, seen.append, name)
        await asyncio.sleep(3)  # fixed: simulated time
        return seen

    assert run(ask) == ["a", "b", "c", "d"]


def test_what_is_cancelled_does_not_run_and_takes_no_time() -> None:
    async def cancel(loop: SimulatedLoop) -> float:
        loop.call_later(100, pytest.fail).cancel()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        return loop.time()

    assert run(cancel) == 5


def test_who_waits_for_what_never_comes_is_told() -> None:
    with pytest.raises(EndlessError):
        run(lambda _: asyncio.Event().wait())


def test_callbacks_without_an_end_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def spin(loop: SimulatedLoop) -> None:
        while True:  # noqa: ASYNC110 - on purpose
            await asyncio.sleep(0)

    monkeypatch.setattr(simulated, "MOST_CALLBACKS", 1000)
    with pytest.raises(EndlessError):
        run(spin)
