"""Append batches: in order, paced under load, not delayed otherwise. Runs on an event loop with simulated time."""

import asyncio
import itertools
import random
from collections.abc import Callable
from typing import cast

import pytest

from chatterbox.chassis.tasks import background
from chatterbox.wire import history_api
from chatterbox.wire.errors import ChatError, Code
from services.gateway.upstream.append_batcher import (
    MESSAGE_PACE_S,
    PACE_S,
    QUEUED_MESSAGES,
    AppendBatcher,
    PendingChange,
    PendingSend,
)
from services.gateway.upstream.history_client import HistoryClient
from tests.simulation.loop import simulated

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

    @property
    def clock(self) -> Callable[[], float]:
        return asyncio.get_running_loop().time

    def send(self, sender: FakeSender, content: str) -> None:
        append = history_api.Append(1, 1, "ada", content, content)
        self.batcher.put(PendingSend(sender, 1, "general", append))

    def delete(self, sender: FakeSender, offset: int) -> None:
        change = history_api.MessageDeletion(room_id=1, user_id=1, username="ada", offset=offset)
        self.batcher.put_change(PendingChange(sender, 2, "general", change))

    @property
    def gaps_s(self) -> list[float]:
        return [after - before for before, after in itertools.pairwise(self.history.batches_s)]


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


async def _gap_ends_early() -> None:
    harness, ada, bob, eve = Harness(), FakeSender(), FakeSender(), FakeSender()
    harness.send(ada, "a1")
    harness.send(bob, "b1")
    async with background(harness.batcher.run(), "batcher"):
        await asyncio.sleep(COMMIT_S + 0.001)  # fixed: simulated time
        for sender, content in ((eve, "e"), (ada, "a2"), (ada, "a3"), (bob, "b2")):
            harness.send(sender, content)
            await asyncio.sleep(0.0005)  # fixed: simulated time
        await harness.batcher.wait_until_idle()
    assert harness.history.batches == [["a1", "b1"], ["e", "a2", "a3", "b2"]]
    assert harness.gaps_s == pytest.approx([COMMIT_S + 0.001 + 3 * 0.0005])


async def _gap_waits_for_the_last_one() -> None:
    harness, ada, bob, eve = Harness(), FakeSender(), FakeSender(), FakeSender()
    harness.send(ada, "a1")
    harness.send(bob, "b1")
    async with background(harness.batcher.run(), "batcher"):
        await asyncio.sleep(COMMIT_S + 0.001)  # fixed: simulated time
        for sender, content in ((eve, "e1"), (ada, "a2"), (eve, "e2"), (ada, "a3")):
            harness.send(sender, content)
        await harness.batcher.wait_until_idle()
    assert harness.history.batches == [["a1", "b1"], ["e1", "a2", "e2", "a3"]]
    assert harness.gaps_s == pytest.approx([2 * MESSAGE_PACE_S])


def closed_loop(senders: int) -> float:
    """Acked messages per second of senders that each send again 0.1 ms to 0.8 ms after the ack."""
    delay, acks = random.Random(senders), 0

    async def talk(harness: Harness, sender: FakeSender) -> None:
        nonlocal acks
        while harness.clock() < 2.0:
            harness.send(sender, "x")
            await sender.acked.wait()
            sender.acked.clear()
            acks += 1
            await asyncio.sleep(delay.uniform(0.0001, 0.0008))  # fixed: simulated time

    async def run() -> None:
        harness = Harness()
        async with background(harness.batcher.run(), "batcher"):
            await asyncio.gather(*(talk(harness, FakeSender()) for _ in range(senders)))

    simulated(run())
    return acks / 2.0


def batches_per_s(rate: float, seed: int) -> float:
    """Batches per second when 100 senders send `rate` messages per second in all, at random times."""
    random_ = random.Random(seed)
    batches = 0

    async def run() -> None:
        nonlocal batches
        harness, senders = Harness(), [FakeSender() for _ in range(100)]
        due_s = harness.clock()
        async with background(harness.batcher.run(), "batcher"):
            for _ in range(int(rate * 2)):
                due_s += random_.expovariate(rate)
                if (wait_s := due_s - harness.clock()) > 0:
                    await asyncio.sleep(wait_s)  # fixed: simulated time
                harness.send(random_.choice(senders), "x")
            await harness.batcher.wait_until_idle()
        batches = len(harness.history.batches)

    simulated(run())
    return batches / 2.0


async def _full_during_a_gap() -> None:
    harness, ada = Harness(), FakeSender()
    harness.send(ada, "first")
    async with background(harness.batcher.run(), "batcher"):
        await asyncio.sleep(COMMIT_S)  # fixed: simulated time
        others = [FakeSender(), FakeSender()]
        for number in range(QUEUED_MESSAGES):
            harness.send(others[number % 2], "x")
        with pytest.raises(ChatError) as refused:
            harness.send(ada, "one too many")
        assert refused.value.code is Code.UNAVAILABLE


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


def test_gap_ends_when_every_sender_of_the_last_batch_waits_again() -> None:
    simulated(_gap_ends_early())


def test_gap_lasts_while_one_sender_of_the_last_batch_is_missing() -> None:
    simulated(_gap_waits_for_the_last_one())


@pytest.mark.parametrize(("senders", "least_per_s"), [(2, 1000), (16, 6400), (100, 38_000)])
def test_senders_that_await_their_acks_are_not_slowed_down_by_each_other(senders: int, least_per_s: float) -> None:
    assert closed_loop(senders) >= least_per_s


@pytest.mark.parametrize(("rate", "most_batches_per_s"), [(100, 100), (500, 155), (2000, 118), (5000, 108)])
def test_batches_of_many_occasional_senders_stay_paced(rate: float, most_batches_per_s: float) -> None:
    assert batches_per_s(rate, seed=1) <= most_batches_per_s


def test_full_queue_refuses_messages_during_a_gap_too() -> None:
    simulated(_full_during_a_gap())


def test_occasional_senders_are_never_paced() -> None:
    simulated(_now_and_then())
