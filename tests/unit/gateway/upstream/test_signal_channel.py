"""The channel of signals passes on what it can read, and says what could not be published."""

import logging

import pytest

from chatterbox.chassis.broker import BrokerError, MemoryBroker
from chatterbox.chassis.observability.metrics import Metrics
from chatterbox.wire.broker_events import SIGNALS, BeatWanted, Signal, UserTyping, encode_signal
from services.gateway.metrics import GatewayMetrics
from services.gateway.upstream.signal_channel import SignalChannel
from tests.support.metrics_parser import figure


class FailingBroker(MemoryBroker):
    """Refuses to publish while `is_down`."""

    is_down = False

    async def publish(self, items: object) -> None:
        if self.is_down:
            raise BrokerError("it is down")
        await super().publish(items)  # type: ignore[arg-type]  # passed on


class Harness:
    def __init__(self) -> None:
        self.broker = FailingBroker()
        self.signals: list[Signal] = []
        self.losses = 0
        self.metrics = GatewayMetrics(Metrics("gateway"))
        self.channel = SignalChannel(self.broker, self.signals.append, self._on_loss, lambda: 0.0, self.metrics)

    def _on_loss(self) -> None:
        self.losses += 1


@pytest.fixture
async def harness() -> Harness:
    harness = Harness()
    await harness.channel.start()
    return harness


async def test_signals_of_all_gateways_are_passed_on(harness: Harness) -> None:
    signal = UserTyping(gateway="another", room_id=7, username="ada")
    await harness.broker.publish([(SIGNALS, encode_signal(signal))])
    assert await harness.channel.publish(BeatWanted(gateway=harness.channel.gateway))
    assert harness.signals == [signal, BeatWanted(gateway=harness.channel.gateway)]


async def test_a_signal_of_a_newer_version_is_passed_over(harness: Harness) -> None:
    await harness.broker.publish([(SIGNALS, b'{"signal": "dance"}'), (SIGNALS, b"\xff")])
    assert await harness.channel.publish(BeatWanted(gateway="g"))
    assert harness.signals == [BeatWanted(gateway="g")]


async def test_a_possible_loss_is_passed_on(harness: Harness) -> None:
    harness.broker.reconnect()
    assert harness.losses == 1


async def test_what_the_broker_refuses_is_logged_once(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    harness.broker.is_down = True
    with caplog.at_level(logging.WARNING):
        assert [await harness.channel.publish(BeatWanted(gateway="g")) for _ in range(3)] == [False] * 3
        harness.broker.is_down = False
        assert await harness.channel.publish(BeatWanted(gateway="g"))
    assert [record.message for record in caplog.records] == ["signals.publish_failed", "signals.publish_recovered"]


async def test_every_byte_counts_for_the_budget_and_is_shown(harness: Harness) -> None:
    signal = BeatWanted(gateway="g" * 1000)
    for _ in range(40):
        await harness.channel.publish(signal)
    size = 40 * len(encode_signal(signal))
    assert figure(harness.metrics.metrics.scrape(), "chatterbox_gateway_signals_bytes_total") == size
    assert not harness.channel.budget.may_type(0)


async def test_nothing_is_heard_after_the_end(harness: Harness) -> None:
    await harness.channel.close()
    await harness.channel.publish(BeatWanted(gateway="g"))
    assert harness.signals == []
