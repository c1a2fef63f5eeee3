"""Append batches: in order, paced under load, not delayed otherwise. Runs on an event loop with simulated time."""

import asyncio
import itertools
from collections.abc import Coroutine
from typing import cast

import pytest

from chatterbox.chassis.tasks import background
from chatterbox.wire import history_api
from services.gateway.upstream.append_batcher import MESSAGE_PACE_S, PACE_S, AppendBatcher, PendingChange, PendingSend
from services.gateway.upstream.history_client import HistoryClient
from tests.simulation.loop import SimulatedLoop

COMMIT_S = 0.001


class FakeSender:
    """A connection that waits for acks."""

    connection_id = "c"

    def __init__(self) -> None:
        self.acked = asyncio.Event()
        self.received = b""

    def write(self, finished: bytes) -> None:
        self.received += finished
        self.acked.set()


class FakeHistory:
    """A history that takes `COMMIT_S` per batch, and notes its time and content."""

    def __init__(self) -> None:
        self.batches_s: list[float] = []
        self.batches: list[list[str]] = []
        self.knows_changes = True

    async def append(
        self, messages: list[history_api.Append], changes: list[history_api.AnyMessageChange]
    ) -> history_api.AppendAnswer:
        self.batches_s.append(asyncio.get_running_loop().time())
        self.batches.append([*(f"change {change.offset}" for change in changes), *(each.content for each in messages)])
        await asyncio.sleep(COMMIT_S)  # fixed: simulated time
        refused = history_api.AppendRefused("unavailable", "not now", None)
        answered = len(changes) if self.knows_changes else 0
        return history_api.AppendAnswer(outcomes=[refused] * len(messages), change_outcomes=[refused] * answered)


class Harness:
    """A batcher with its history."""

    def __init__(self) -> None:
        self.history = FakeHistory()
        self.batcher = AppendBatcher(cast("HistoryClient", self.history), clock=asyncio.get_running_loop().time)

    def send(self, sender: FakeSender, content: str) -> None:
        append = history_api.Append(1, 1, "ada", content, content)
        self.batcher.put(PendingSend(sender, 1, "general", append))

    def delete(self, sender: FakeSender, offset: int) -> None:
        change = history_api.MessageDeletion(room_id=1, user_id=1, username="ada", offset=offset)
        self.batcher.put_change(PendingChange(sender, 2, "general", change))

    @property
    def gaps_s(self) -> list[float]:
        return [after - before for before, after in itertools.pairwise(self.history.batches_s)]


def simulated(scenario: Coroutine[object, object, None]) -> None:
    loop = SimulatedLoop()
    try:
        loop.run_until_complete(scenario)
    finally:
        loop.close()


async def _one_after_the_other() -> None:
    harness, ada = Harness(), FakeSender()
    async with background(harness.batcher.run(), "batcher"):
        for number in range(20):
            harness.send(ada, str(number))
            await ada.acked.wait()
            ada.acked.clear()
    assert harness.history.batches == [[str(number)] for number in range(20)]
    assert harness.gaps_s == pytest.approx([COMMIT_S] * 19)


async def _many() -> None:
    harness = Harness()
    async with background(harness.batcher.run(), "batcher"):
        for number in range(50):
            harness.send(FakeSender(), str(number))
            await asyncio.sleep(0.001)  # fixed: simulated time
        await harness.batcher.wait_until_idle()
    assert [content for batch in harness.history.batches for content in batch] == [str(number) for number in range(50)]
    *paced, _ = harness.gaps_s
    assert paced[-1] == pytest.approx(PACE_S)
    assert [len(batch) for batch in harness.history.batches[-4:-1]] == [PACE_S * 1000] * 3


async def _now_and_then() -> None:
    harness = Harness()
    async with background(harness.batcher.run(), "batcher"):
        for number in range(10):
            harness.send(FakeSender(), str(number))
            await asyncio.sleep(MESSAGE_PACE_S * 1.5)  # fixed: simulated time
    assert harness.gaps_s == pytest.approx([MESSAGE_PACE_S * 1.5] * 9)


async def _changes_between_messages() -> None:
    harness, ada, bob = Harness(), FakeSender(), FakeSender()
    harness.delete(ada, 1)
    harness.send(ada, "a")
    harness.delete(ada, 2)
    harness.send(ada, "b")
    harness.delete(bob, 3)
    harness.send(bob, "c")
    async with background(harness.batcher.run(), "batcher"):
        await harness.batcher.wait_until_idle()
    assert harness.history.batches == [["change 1", "change 3", "a", "c"], ["change 2", "b"]]


async def _history_of_before() -> None:
    harness, ada = Harness(), FakeSender()
    harness.history.knows_changes = False
    harness.send(FakeSender(), "a")
    harness.delete(ada, 1)
    async with background(harness.batcher.run(), "batcher"):
        await harness.batcher.wait_until_idle()
    assert b"being upgraded" in ada.received


def test_change_that_history_does_not_know_yet_is_refused() -> None:
    """Gateways are upgraded before history."""
    simulated(_history_of_before())


def test_change_waits_until_earlier_messages_of_its_connection_are_stored() -> None:
    """In one batch it would be made before them: a batch's changes come first."""
    simulated(_changes_between_messages())


def test_sender_that_awaits_each_ack_is_never_paced() -> None:
    simulated(_one_after_the_other())


def test_batches_of_many_senders_are_paced_complete_and_in_order() -> None:
    simulated(_many())


def test_occasional_senders_are_never_paced() -> None:
    simulated(_now_and_then())
