"""What every broker must do. Another adapter is one more entry in `ADAPTERS`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from chatterbox.chassis.broker import Broker, MemoryBroker, Subscriber


@asynccontextmanager
async def memory() -> AsyncIterator[Broker]:
    broker = MemoryBroker()
    yield broker
    await broker.close()


ADAPTERS: dict[str, Callable[[], AbstractAsyncContextManager[Broker]]] = {"memory": memory}


@pytest.fixture(params=ADAPTERS)
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    async with ADAPTERS[request.param]() as broker:
        yield broker


class Ear:
    """A subscriber that keeps what it hears."""

    def __init__(self, broker: Broker) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.doubts = 0
        self._news = asyncio.Event()
        self.subscriber: Subscriber = broker.subscriber(self._on_payload, self._on_doubt)

    def _on_payload(self, channel: str, payload: bytes) -> None:
        self.heard.append((channel, payload))
        self._news.set()

    def _on_doubt(self) -> None:
        self.doubts += 1

    async def until(self, *items: tuple[str, bytes]) -> None:
        """Wait until all of this has been heard."""
        async with asyncio.timeout(10):
            while not set(items) <= set(self.heard):
                self._news.clear()
                await self._news.wait()

    def payloads(self, channel: str) -> list[bytes]:
        return [payload for where, payload in self.heard if where == channel]


async def ear(broker: Broker, *channels: str) -> Ear:
    listening = Ear(broker)
    await listening.subscriber.subscribe(channels)
    return listening


async def test_whatever_is_published_after_subscribing_is_heard(broker: Broker) -> None:
    await broker.publish([("a", b"before")])
    listening = await ear(broker, "a")
    await broker.publish([("a", b"after")])
    await listening.until(("a", b"after"))
    assert listening.heard == [("a", b"after")]


async def test_a_channel_keeps_its_order(broker: Broker) -> None:
    listening = await ear(broker, "a", "b")
    for number in range(0, 500, 5):
        await broker.publish([("a", b"%d" % each) for each in range(number, number + 5)] + [("b", b"%d" % number)])
    await listening.until(("a", b"499"), ("b", b"495"))
    assert listening.payloads("a") == [b"%d" % number for number in range(500)]
    assert listening.payloads("b") == [b"%d" % number for number in range(0, 500, 5)]


async def test_only_the_channels_asked_for_are_heard(broker: Broker) -> None:
    listening = await ear(broker, "a", "chatterbox:room:{7}")
    await broker.publish([("b", b"1"), ("aa", b"1"), ("chatterbox:room:{71}", b"1"), ("chatterbox:room:{7}", b"2")])
    await listening.until(("chatterbox:room:{7}", b"2"))
    assert len(listening.heard) == 1


async def test_nothing_of_a_channel_is_heard_after_unsubscribing(broker: Broker) -> None:
    listening = await ear(broker, "a", "b")
    await listening.subscriber.unsubscribe(["a"])
    await broker.publish([("a", b"too late"), ("b", b"mark")])
    await listening.until(("b", b"mark"))
    assert listening.heard == [("b", b"mark")]


async def test_a_channel_may_be_subscribed_to_again(broker: Broker) -> None:
    listening = await ear(broker, "a")
    await listening.subscriber.unsubscribe(["a"])
    await listening.subscriber.subscribe(["a"])
    await broker.publish([("a", b"again")])
    await listening.until(("a", b"again"))


async def test_subscribing_twice_is_hearing_once(broker: Broker) -> None:
    listening = await ear(broker, "a")
    await listening.subscriber.subscribe(["a", "a"])
    await broker.publish([("a", b"1"), ("a", b"mark")])
    await listening.until(("a", b"mark"))
    assert listening.payloads("a") == [b"1", b"mark"]


async def test_unsubscribing_from_what_one_does_not_hear_is_no_harm(broker: Broker) -> None:
    listening, other = await ear(broker, "a"), await ear(broker, "b")
    await listening.subscriber.unsubscribe(["b", "c"])
    await broker.publish([("b", b"1"), ("a", b"1")])
    await listening.until(("a", b"1"))
    await other.until(("b", b"1"))


async def test_every_subscriber_hears_it(broker: Broker) -> None:
    ears = [await ear(broker, "a") for _ in range(5)]
    await broker.publish([("a", b"1")])
    for listening in ears:
        await listening.until(("a", b"1"))


async def test_one_that_leaves_takes_nobody_with_it(broker: Broker) -> None:
    leaving, staying = await ear(broker, "a"), await ear(broker, "a")
    await leaving.subscriber.close()
    await broker.publish([("a", b"1")])
    await staying.until(("a", b"1"))
    assert leaving.heard == []


async def test_one_that_raises_harms_no_other_and_is_logged(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    def fail(channel: str, payload: bytes) -> None:
        raise ValueError(payload)

    failing = broker.subscriber(fail, lambda: None)
    await failing.subscribe(["a"])
    listening = await ear(broker, "a")
    await broker.publish([("a", b"1"), ("a", b"2")])
    await listening.until(("a", b"1"), ("a", b"2"))
    assert "payload.failed" in [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]


@pytest.mark.parametrize(
    "payload", [b"", b"\0", bytes(range(256)), b"\r\n$5\r\n", b"\xff" * 1000, b"x" * 1_000_000], ids=len
)
async def test_payloads_are_bytes_and_come_as_they_were(broker: Broker, payload: bytes) -> None:
    listening = await ear(broker, "a")
    await broker.publish([("a", payload)])
    await listening.until(("a", payload))


async def test_publishing_nothing_or_to_nobody_is_no_harm(broker: Broker) -> None:
    await broker.publish([])
    await broker.publish([("nobody", b"1")])


async def test_a_closed_broker_delivers_nothing_more(broker: Broker) -> None:
    listening = await ear(broker, "a")
    await listening.subscriber.close()
    await broker.close()
    assert listening.heard == []
    assert listening.doubts == 0
