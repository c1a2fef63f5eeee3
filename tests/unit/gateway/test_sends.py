"""Batches: what arrives meanwhile makes up the next, in order; in busy times they are paced, in quiet ones none waits.

On an event loop whose time is simulated.
"""

import asyncio
import itertools
from collections.abc import Coroutine
from typing import cast

import pytest

from chatterbox.chassis.tasks import background
from chatterbox.wire import store
from services.gateway.connection import Connection
from services.gateway.room import Room
from services.gateway.sends import MESSAGE_PACE_S, PACE_S, Sends, Waiting
from services.gateway.store import HistoryClient
from tests.simulation.loop import SimulatedLoop

COMMIT_S = 0.001


class Listener:
    """A connection, as far as acks go."""

    def __init__(self) -> None:
        self.acked = asyncio.Event()

    def write(self, finished: bytes) -> None:
        self.acked.set()


class Batches:
    """A history that takes `COMMIT_S` for each batch, and notes when it came and what was in it."""

    def __init__(self) -> None:
        self.came_s: list[float] = []
        self.batches: list[list[str]] = []

    async def append(self, messages: list[store.Append]) -> list[store.Appended | store.Refused]:
        self.came_s.append(asyncio.get_running_loop().time())
        self.batches.append([message.content for message in messages])
        await asyncio.sleep(COMMIT_S)  # fixed: simulated time
        return [store.Refused("unavailable", "not now", None) for _ in messages]


class Site:
    """What is said by whom, and what comes of it."""

    def __init__(self) -> None:
        self.history = Batches()
        self.sends = Sends(cast("HistoryClient", self.history), clock=asyncio.get_running_loop().time)

    def say(self, who: Listener, content: str) -> None:
        append = store.Append(1, 1, "ada", content, content)
        self.sends.put(Waiting(cast("Connection", who), 1, cast("Room", None), append))

    @property
    def gaps_s(self) -> list[float]:
        return [after - before for before, after in itertools.pairwise(self.history.came_s)]


def simulated(scenario: Coroutine[object, object, None]) -> None:
    loop = SimulatedLoop()
    try:
        loop.run_until_complete(scenario)
    finally:
        loop.close()


async def _one_after_the_other() -> None:
    site, ada = Site(), Listener()
    async with background(site.sends.run(), "sends"):
        for number in range(20):
            site.say(ada, str(number))
            await ada.acked.wait()
            ada.acked.clear()
    assert site.history.batches == [[str(number)] for number in range(20)]
    assert site.gaps_s == pytest.approx([COMMIT_S] * 19)


async def _many() -> None:
    site = Site()
    async with background(site.sends.run(), "sends"):
        for number in range(50):
            site.say(Listener(), str(number))
            await asyncio.sleep(0.001)  # fixed: simulated time
        await site.sends.settle()
    assert [content for batch in site.history.batches for content in batch] == [str(number) for number in range(50)]
    *paced, _ = site.gaps_s
    assert paced[-1] == pytest.approx(PACE_S)
    assert [len(batch) for batch in site.history.batches[-4:-1]] == [PACE_S * 1000] * 3


async def _now_and_then() -> None:
    site = Site()
    async with background(site.sends.run(), "sends"):
        for number in range(10):
            site.say(Listener(), str(number))
            await asyncio.sleep(MESSAGE_PACE_S * 1.5)  # fixed: simulated time
    assert site.gaps_s == pytest.approx([MESSAGE_PACE_S * 1.5] * 9)


def test_who_sends_after_each_answer_never_waits() -> None:
    simulated(_one_after_the_other())


def test_where_many_send_batches_are_paced_and_nothing_is_lost_or_turned_round() -> None:
    simulated(_many())


def test_who_sends_now_and_then_never_waits() -> None:
    simulated(_now_and_then())
