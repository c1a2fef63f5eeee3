"""What every broker must do: the one in memory, and the one over Redis, on every server that it is for."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from chatterbox.chassis.broker import Broker, MemoryBroker
from chatterbox.chassis.redis.redis_broker import RedisBroker
from tests.contract.conftest import SERVERS, running
from tests.support.ear import ear


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
    assert "payload_handler.failed" in [
        record.getMessage() for record in caplog.records if record.levelno == logging.ERROR
    ]


@pytest.mark.parametrize(
    "payload", [b"", b"\0", bytes(range(256)), b"\r\n$5\r\n", b"\xff" * 1000, b"x" * 1_000_000], ids=len
)
async def test_payloads_are_bytes_and_come_as_they_were(broker: Broker, payload: bytes) -> None:
    listening = await ear(broker, "a")
    await broker.publish([("a", payload)])
    await listening.until(("a", payload))


async def test_many_channels_at_once_are_all_heard(broker: Broker) -> None:
    channels = [f"chatterbox:room:{{{number}}}" for number in range(3000)]
    listening = await ear(broker, *channels)
    assert broker.is_healthy
    await broker.publish([(channel, b"1") for channel in channels])
    await listening.until(*((channel, b"1") for channel in channels))


async def test_subscribing_and_leaving_over_and_over_ends_as_the_last_word_was(broker: Broker) -> None:
    listening = await ear(broker, "mark")
    for _ in range(20):
        joining = [asyncio.create_task(listening.subscriber.subscribe(["a"])) for _ in range(3)]
        await asyncio.sleep(0)
        await listening.subscriber.unsubscribe(["a"])
        await asyncio.gather(*joining, return_exceptions=True)
    await listening.subscriber.subscribe(["a"])
    await broker.publish([("a", b"heard")])
    await listening.until(("a", b"heard"))
    await listening.subscriber.unsubscribe(["a"])
    await broker.publish([("a", b"unheard"), ("mark", b"1")])
    await listening.until(("mark", b"1"))
    assert listening.payloads("a") == [b"heard"]


async def test_publishing_nothing_or_to_nobody_is_no_harm(broker: Broker) -> None:
    await broker.publish([])
    await broker.publish([("nobody", b"1")])


async def test_listening_anew_ends_in_doubt_for_everyone_and_in_hearing_all_again(broker: Broker) -> None:
    listening, other = await ear(broker, "a", "b"), await ear(broker, "b", "c")
    for times in range(1, 4):
        broker.reconnect()
        await listening.until_doubt(times)
        await other.until_doubt(times)
        assert broker.is_healthy
        await broker.publish([(channel, b"%d" % times) for channel in ("a", "b", "c")])
        await listening.until(("a", b"%d" % times), ("b", b"%d" % times))
        await other.until(("b", b"%d" % times), ("c", b"%d" % times))
        assert (listening.doubts, other.doubts) == (times, times)


async def test_listening_anew_with_nobody_listening_is_no_harm(broker: Broker) -> None:
    broker.reconnect()
    listening = await ear(broker, "a")
    await broker.publish([("a", b"1")])
    await listening.until(("a", b"1"))
    assert listening.doubts == 0


async def test_a_closed_broker_delivers_nothing_more(broker: Broker) -> None:
    listening = await ear(broker, "a")
    await listening.subscriber.close()
    await broker.close()
    assert listening.heard == []
    assert listening.doubts == 0
