"""Contract tests of brokers: the memory broker, and the Redis broker on every supported server."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from chatterbox.chassis.broker import Broker, MemoryBroker
from chatterbox.chassis.redis.redis_broker import RedisBroker
from tests.contract.conftest import SERVERS, running
from tests.support.broker_recorder import recorder


@pytest.fixture(params=["memory", *SERVERS])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            broker: Broker = MemoryBroker()
        else:
            server = await stack.enter_async_context(running(request.param, request, tmp_path))
            broker = RedisBroker(server.url)
        yield broker
        await broker.close()


async def test_payloads_published_after_subscribing_are_delivered(broker: Broker) -> None:
    await broker.publish([("a", b"before")])
    listener = await recorder(broker, "a")
    await broker.publish([("a", b"after")])
    await listener.until(("a", b"after"))
    assert listener.received == [("a", b"after")]


async def test_payloads_of_a_channel_are_delivered_in_order(broker: Broker) -> None:
    listener = await recorder(broker, "a", "b")
    for number in range(0, 500, 5):
        await broker.publish([("a", b"%d" % each) for each in range(number, number + 5)] + [("b", b"%d" % number)])
    await listener.until(("a", b"499"), ("b", b"495"))
    assert listener.payloads("a") == [b"%d" % number for number in range(500)]
    assert listener.payloads("b") == [b"%d" % number for number in range(0, 500, 5)]


async def test_only_subscribed_channels_are_delivered(broker: Broker) -> None:
    listener = await recorder(broker, "a", "chatterbox:room:{7}")
    await broker.publish([("b", b"1"), ("aa", b"1"), ("chatterbox:room:{71}", b"1"), ("chatterbox:room:{7}", b"2")])
    await listener.until(("chatterbox:room:{7}", b"2"))
    assert len(listener.received) == 1


async def test_nothing_is_delivered_after_unsubscribing(broker: Broker) -> None:
    listener = await recorder(broker, "a", "b")
    await listener.subscriber.unsubscribe(["a"])
    await broker.publish([("a", b"too late"), ("b", b"mark")])
    await listener.until(("b", b"mark"))
    assert listener.received == [("b", b"mark")]


async def test_a_channel_can_be_subscribed_to_again(broker: Broker) -> None:
    listener = await recorder(broker, "a")
    await listener.subscriber.unsubscribe(["a"])
    await listener.subscriber.subscribe(["a"])
    await broker.publish([("a", b"again")])
    await listener.until(("a", b"again"))


async def test_subscribing_twice_delivers_once(broker: Broker) -> None:
    listener = await recorder(broker, "a")
    await listener.subscriber.subscribe(["a", "a"])
    await broker.publish([("a", b"1"), ("a", b"mark")])
    await listener.until(("a", b"mark"))
    assert listener.payloads("a") == [b"1", b"mark"]


async def test_unsubscribing_from_other_channels_has_no_effect(broker: Broker) -> None:
    listener, other = await recorder(broker, "a"), await recorder(broker, "b")
    await listener.subscriber.unsubscribe(["b", "c"])
    await broker.publish([("b", b"1"), ("a", b"1")])
    await listener.until(("a", b"1"))
    await other.until(("b", b"1"))


async def test_a_payload_is_delivered_to_every_subscriber(broker: Broker) -> None:
    recorders = [await recorder(broker, "a") for _ in range(5)]
    await broker.publish([("a", b"1")])
    for listener in recorders:
        await listener.until(("a", b"1"))


async def test_closing_one_subscriber_does_not_affect_others(broker: Broker) -> None:
    leaving, staying = await recorder(broker, "a"), await recorder(broker, "a")
    await leaving.subscriber.close()
    await broker.publish([("a", b"1")])
    await staying.until(("a", b"1"))
    assert leaving.received == []


async def test_an_exception_in_one_subscriber_is_logged_and_does_not_affect_others(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(channel: str, payload: bytes) -> None:
        raise ValueError(payload)

    failing = broker.subscriber(fail, lambda: None)
    await failing.subscribe(["a"])
    listener = await recorder(broker, "a")
    await broker.publish([("a", b"1"), ("a", b"2")])
    await listener.until(("a", b"1"), ("a", b"2"))
    assert "payload_handler.failed" in [
        record.getMessage() for record in caplog.records if record.levelno == logging.ERROR
    ]


@pytest.mark.parametrize(
    "payload", [b"", b"\0", bytes(range(256)), b"\r\n$5\r\n", b"\xff" * 1000, b"x" * 1_000_000], ids=len
)
async def test_payloads_are_delivered_unchanged(broker: Broker, payload: bytes) -> None:
    listener = await recorder(broker, "a")
    await broker.publish([("a", payload)])
    await listener.until(("a", payload))


async def test_subscribing_to_3000_channels_at_once_delivers_them_all(broker: Broker) -> None:
    channels = [f"chatterbox:room:{{{number}}}" for number in range(3000)]
    listener = await recorder(broker, *channels)
    assert broker.is_healthy
    await broker.publish([(channel, b"1") for channel in channels])
    await listener.until(*((channel, b"1") for channel in channels))


async def test_concurrent_subscribe_and_unsubscribe_end_in_the_last_state(broker: Broker) -> None:
    listener = await recorder(broker, "mark")
    for _ in range(20):
        joining = [asyncio.create_task(listener.subscriber.subscribe(["a"])) for _ in range(3)]
        await asyncio.sleep(0)
        await listener.subscriber.unsubscribe(["a"])
        await asyncio.gather(*joining, return_exceptions=True)
    await listener.subscriber.subscribe(["a"])
    await broker.publish([("a", b"delivered")])
    await listener.until(("a", b"delivered"))
    await listener.subscriber.unsubscribe(["a"])
    await broker.publish([("a", b"not delivered"), ("mark", b"1")])
    await listener.until(("mark", b"1"))
    assert listener.payloads("a") == [b"delivered"]


async def test_publishing_nothing_or_without_subscribers_succeeds(broker: Broker) -> None:
    await broker.publish([])
    await broker.publish([("nobody", b"1")])


async def test_reconnect_notifies_every_subscriber_and_resumes_delivery(broker: Broker) -> None:
    listener, other = await recorder(broker, "a", "b"), await recorder(broker, "b", "c")
    for times in range(1, 4):
        broker.reconnect()
        await listener.until_missed(times)
        await other.until_missed(times)
        assert broker.is_healthy
        await broker.publish([(channel, b"%d" % times) for channel in ("a", "b", "c")])
        await listener.until(("a", b"%d" % times), ("b", b"%d" % times))
        await other.until(("b", b"%d" % times), ("c", b"%d" % times))
        assert (listener.missed, other.missed) == (times, times)


async def test_reconnect_without_subscribers_has_no_effect(broker: Broker) -> None:
    broker.reconnect()
    listener = await recorder(broker, "a")
    await broker.publish([("a", b"1")])
    await listener.until(("a", b"1"))
    assert listener.missed == 0


async def test_a_closed_broker_delivers_nothing(broker: Broker) -> None:
    listener = await recorder(broker, "a")
    await listener.subscriber.close()
    await broker.close()
    assert listener.received == []
    assert listener.missed == 0
