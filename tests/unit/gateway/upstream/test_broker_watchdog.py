"""The broker watchdog, with a broker whose failures the test controls."""

import logging
from collections.abc import Sequence

import pytest

from chatterbox.chassis.broker import BrokerError, MemoryBroker
from services.gateway.core.broker_canary import MISSED
from services.gateway.metrics import GatewayMetrics
from services.gateway.upstream.broker_watchdog import GRACE_S, INTERVAL_S, BrokerWatchdog
from tests.support.metrics_parser import figure


class Broker(MemoryBroker):
    """Delivers nothing while `swallows`; accepts nothing while `refuses`."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = True
        self.swallows = False
        self.refuses = False
        self.renewals = 0

    @property
    def is_healthy(self) -> bool:
        return self.whole

    @property
    def reconnects(self) -> int:
        return self.renewals

    def reconnect(self) -> None:
        self.renewals += 1
        super().reconnect()

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        if self.refuses:
            raise BrokerError("no room")
        if not self.swallows:
            await super().publish(items)


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def metrics() -> GatewayMetrics:
    return GatewayMetrics()


@pytest.fixture
async def watchdog(broker: Broker, metrics: GatewayMetrics) -> BrokerWatchdog:
    watchdog = BrokerWatchdog(broker, lambda: 0.0, metrics)
    await watchdog.start()
    return watchdog


async def _seconds(watchdog: BrokerWatchdog, count: int) -> None:
    for _ in range(count):
        await watchdog.publish()
        watchdog.check()


async def test_watchdog_does_nothing_while_canaries_arrive(watchdog: BrokerWatchdog, broker: Broker) -> None:
    await _seconds(watchdog, 100)
    assert (watchdog.is_deaf, watchdog.cannot_publish, broker.renewals) == (False, False, 0)


async def test_deaf_gateway_is_logged_once_counted_and_resubscribed(
    watchdog: BrokerWatchdog, broker: Broker, metrics: GatewayMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    doubts: list[None] = []
    await broker.subscriber(lambda *_: None, lambda: doubts.append(None)).subscribe(["room"])
    broker.swallows = True
    with caplog.at_level(logging.INFO):
        await _seconds(watchdog, MISSED)
        assert watchdog.is_deaf
        assert [record.getMessage() for record in caplog.records] == ["broker.silent"]
        broker.swallows = False
        await _seconds(watchdog, 1)
        assert not watchdog.is_deaf
        assert [record.getMessage() for record in caplog.records] == ["broker.silent", "broker.recovered"]
    assert (broker.renewals, len(doubts)) == (1, 1)
    scraped = metrics.metrics.scrape()
    assert figure(scraped, "chatterbox_gateway_broker_silences_total") == 1
    assert figure(scraped, "chatterbox_gateway_broker_reconnects_total") == 1


async def test_watchdog_does_nothing_while_the_broker_reports_an_outage(
    watchdog: BrokerWatchdog, broker: Broker
) -> None:
    broker.swallows, broker.whole = True, False
    await _seconds(watchdog, 100)
    assert (watchdog.is_deaf, broker.renewals) == (False, 0)
    broker.whole = True
    await _seconds(watchdog, MISSED - 1)
    assert not watchdog.is_deaf, "canaries missed before do not count"


async def test_rejected_canaries_are_logged_once_and_are_no_deafness(
    watchdog: BrokerWatchdog, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    broker.refuses = True
    await _seconds(watchdog, 100)
    assert (watchdog.cannot_publish, watchdog.is_deaf, broker.renewals) == (True, False, 0)
    assert [record.getMessage() for record in caplog.records] == ["broker.publish_failed"]
    broker.refuses = False
    await _seconds(watchdog, 1)
    assert not watchdog.cannot_publish


async def test_foreign_payloads_on_the_canary_channel_prove_nothing(watchdog: BrokerWatchdog, broker: Broker) -> None:
    broker.swallows = True
    for payload in (b"", b"x", b"-1", b"99", "²".encode()):
        await MemoryBroker.publish(broker, [(watchdog._channel, payload)])
    await _seconds(watchdog, MISSED)
    assert watchdog.is_deaf


def test_third_missed_canary_is_detected_within_four_seconds() -> None:
    assert MISSED * INTERVAL_S + GRACE_S < 3.5


@pytest.mark.parametrize("payload", [b"", b"hello", b"-1", b"\xb2", b"9" * 16, b"9" * 5000])
async def test_payloads_that_were_not_published_do_not_end_deafness(
    watchdog: BrokerWatchdog, broker: Broker, payload: bytes
) -> None:
    broker.swallows = True
    await _seconds(watchdog, MISSED)
    broker.swallows = False
    await broker.publish([(watchdog._channel, payload)])
    assert watchdog.is_deaf
