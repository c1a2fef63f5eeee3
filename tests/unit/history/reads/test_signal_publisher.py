"""Signals to gateways: in order, bounded, lost while the broker is down."""

import asyncio
import logging
from collections.abc import Sequence

import pytest

from chatterbox.chassis.broker import BrokerError, MemoryBroker
from chatterbox.wire.broker_events import OwnReadState, ReadStatesChanged
from chatterbox.wire.read_state import ReadState
from services.history.reads.signal_publisher import SignalPublisher
from tests.support.history import read_signal, until


class RecordingBroker(MemoryBroker):
    """Records the signals that are published; fails or blocks on request."""

    def __init__(self) -> None:
        super().__init__()
        self.signals: list[ReadStatesChanged] = []
        self.is_failing = False
        self.open = asyncio.Event()
        self.open.set()

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        await self.open.wait()
        if self.is_failing:
            raise BrokerError("gone")
        self.signals += [read_signal(payload) for _, payload in items]

    @property
    def user_ids(self) -> list[list[int]]:
        return [[state.user_id for state in signal.states] for signal in self.signals]


def states(*user_ids: int) -> list[OwnReadState]:
    return [OwnReadState(user_id, 1, ReadState(read=1)) for user_id in user_ids]


async def test_signals_are_published_in_order_with_their_origin() -> None:
    broker = RecordingBroker()
    async with SignalPublisher(broker).running() as publisher:
        publisher.tell(states(1, 2), "g-1")
        publisher.tell([], "g-1")
        publisher.tell(states(3), "")
        await until(lambda: len(broker.signals) == 2)
    assert [(signal.origin, len(signal.states)) for signal in broker.signals] == [("g-1", 2), ("", 1)]


async def test_oldest_signals_are_dropped_when_too_many_states_wait() -> None:
    broker = RecordingBroker()
    broker.open.clear()
    async with SignalPublisher(broker, waiting_states=4).running() as publisher:
        for user_id in range(1, 10):
            publisher.tell(states(user_id), "")
        publisher.tell(states(10, 11), "")
        broker.open.set()
        await until(lambda: [10, 11] in broker.user_ids)
    assert broker.user_ids == [[8], [9], [10, 11]]


async def test_signals_while_the_broker_is_down_are_lost_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    broker = RecordingBroker()
    broker.is_failing = True
    with caplog.at_level(logging.WARNING):
        async with SignalPublisher(broker).running() as publisher:
            for user_id in (1, 2):
                publisher.tell(states(user_id), "")
            await until(lambda: bool(caplog.records))
            broker.is_failing = False
            publisher.tell(states(3), "")
            await until(lambda: [3] in broker.user_ids)
    assert [record.message for record in caplog.records] == ["signals.dropped", "signals.recovered"]
