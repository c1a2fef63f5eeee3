"""The Redis broker when connections fail: it calls `on_missed` after every possible loss, and delivers again."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import redis

from chatterbox.chassis.broker import Broker, BrokerError
from chatterbox.chassis.redis.redis_broker import RedisBroker
from chatterbox.chassis.redis.redis_subscriber import SubscriberTimeouts
from tests.contract.conftest import Server
from tests.support.broker_recorder import BrokerRecorder, recorder
from tests.support.waiting import MOST_S, proves_absence, until

QUICK = SubscriberTimeouts(connect_s=1, publish_s=1, subscribe_s=1, ping_s=0.1, pong_s=1, retry_max_s=0.1)


@asynccontextmanager
async def connected(server: Server, timeouts: SubscriberTimeouts = QUICK) -> AsyncIterator[RedisBroker]:
    broker = RedisBroker(server.url, timeouts)
    yield broker
    await broker.close()


async def _delivers(broker: Broker, listener: BrokerRecorder, *channels: str) -> None:
    for channel in channels:
        await broker.publish([(channel, b"again")])
        await listener.until((channel, b"again"))
    assert broker.is_healthy


class TestMissedPayloads:
    async def test_on_missed_is_called_after_the_server_kills_the_connection(self, server: Server) -> None:
        async with connected(server) as broker:
            listener = await recorder(broker, "a", "b")
            assert await server.command("CLIENT", "KILL", "TYPE", "pubsub") == 1
            await listener.until_missed()
            await _delivers(broker, listener, "a", "b")

    async def test_on_missed_is_called_once_per_loss_when_all_channels_are_back(self, server: Server) -> None:
        async with connected(server) as broker:
            channels = [str(number) for number in range(2500)]
            listener = await recorder(broker, *channels)
            for losses in (1, 2, 3):
                await server.command("CLIENT", "KILL", "TYPE", "pubsub")
                await listener.until_missed(losses)
                assert await server.command("PUBSUB", "NUMSUB", channels[0], channels[-1]) == [b"0", 1, b"2499", 1]
                assert listener.missed == losses

    async def test_on_missed_is_called_after_a_server_restart(self, server: Server) -> None:
        async with connected(server) as broker:
            listener = await recorder(broker, "a")
            await broker.publish([("a", b"before")])
            await server.kill()
            await _fails_to_publish(broker)
            await _until_unhealthy(broker)
            await server.start()
            await listener.until_missed()
            await _delivers(broker, listener, "a")

    async def test_on_missed_is_called_after_a_server_freeze(self, server: Server) -> None:
        async with connected(server) as broker:
            listener = await recorder(broker, "a")
            server.signal(signal.SIGSTOP)
            await _fails_to_publish(broker)
            await _until_unhealthy(broker)
            server.signal(signal.SIGCONT)
            await listener.until_missed()
            await _delivers(broker, listener, "a")

    async def test_on_missed_is_called_after_the_output_buffer_limit_is_exceeded(self, server: Server) -> None:
        """The limit is Redis' own: 32 MB after the kernel's buffers. The publisher blocks the event loop."""
        async with connected(server) as broker:
            listener = await recorder(broker, "a")
            published = 0
            with redis.Redis.from_url(server.url) as publisher:
                while publisher.publish("a", b"x" * 2**20) and published < 512:
                    published += 1
            await listener.until_missed()
            assert len(listener.received) < published
            await _delivers(broker, listener, "a")

    async def test_on_missed_is_called_for_every_subscriber(self, server: Server) -> None:
        async with connected(server) as broker:
            recorders = [await recorder(broker, "a"), await recorder(broker, "a", "b"), await recorder(broker, "c")]
            await server.command("CLIENT", "KILL", "TYPE", "pubsub")
            for listener in recorders:
                await listener.until_missed()

    async def test_on_missed_is_not_called_without_a_loss(self, server: Server) -> None:
        async with connected(server) as broker:
            listener = await recorder(broker, "a")
            await proves_absence(5 * QUICK.ping_s)
            await listener.subscriber.subscribe(["b"])
            await _delivers(broker, listener, "a", "b")
            assert listener.missed == 0


class TestServerDown:
    async def test_subscribe_fails_fast_and_takes_effect_when_the_server_is_back(self, server: Server) -> None:
        await server.kill()
        async with connected(server, SubscriberTimeouts(subscribe_s=60, retry_max_s=0.1)) as broker:
            listener = BrokerRecorder(broker)
            for channel in ("a", "b"):
                with pytest.raises(BrokerError):
                    await asyncio.wait_for(listener.subscriber.subscribe([channel]), 10)
            assert not broker.is_healthy
            await server.start()
            await listener.until_missed()
            await _delivers(broker, listener, "a", "b")

    @pytest.mark.timing
    async def test_a_frozen_server_delays_calls_by_their_timeout_at_most(self, server: Server) -> None:
        patient = SubscriberTimeouts(connect_s=0.3, publish_s=0.3, subscribe_s=0.3, ping_s=5, pong_s=5)
        async with connected(server, patient) as broker:
            listener = await recorder(broker, "a")
            server.signal(signal.SIGSTOP)
            started = time.monotonic()
            with pytest.raises(BrokerError):
                await listener.subscriber.subscribe(["late"])
            await _fails_to_publish(broker)
            assert time.monotonic() - started < 2
            server.signal(signal.SIGCONT)
            await listener.until_missed()
            await _delivers(broker, listener, "a", "late")

    async def test_channels_unsubscribed_while_the_server_is_down_stay_unsubscribed(self, server: Server) -> None:
        async with connected(server) as broker:
            listener = await recorder(broker, "a", "b")
            await server.kill()
            await _until_unhealthy(broker)
            await listener.subscriber.unsubscribe(["b"])
            await server.start()
            await listener.until_missed()
            await broker.publish([("b", b"not delivered")])
            await _delivers(broker, listener, "a")
            assert listener.payloads("b") == []

    async def test_the_reply_to_a_cancelled_publish_is_not_given_to_the_next_one(self, server: Server) -> None:
        async with connected(server) as broker:
            listener = await recorder(broker, "a")
            for number in range(20):
                publishing = asyncio.create_task(broker.publish([("a", b"x")] * 50))
                await asyncio.sleep(number * 0.0002)
                publishing.cancel()
                await asyncio.gather(publishing, return_exceptions=True)
                await broker.publish([("a", b"%d" % number)])
                await listener.until(("a", b"%d" % number))


async def test_a_wrong_redis_password_raises_broker_error(server: Server) -> None:
    await server.command("CONFIG", "SET", "requirepass", "right")
    async with connected(server) as broker:
        with pytest.raises(BrokerError, match="it requires a password"):
            await broker.publish([("a", b"1")])
        with pytest.raises(BrokerError):
            await BrokerRecorder(broker).subscriber.subscribe(["a"])
        assert not broker.is_healthy


async def test_a_missing_subscribe_permission_is_logged_once_and_its_recovery_once(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatterbox.broker")
    await server.command("ACL", "SETUSER", "app", "on", ">right", "-@all", "+hello", "+ping")
    broker = RedisBroker(server.url.replace("//", "//app:right@"), QUICK)
    subscriber = BrokerRecorder(broker).subscriber
    with pytest.raises(BrokerError):
        await subscriber.subscribe(["a"])
    await proves_absence(5 * QUICK.retry_max_s)  # several attempts
    assert caplog.messages == ["broker.reconnected", "broker.disconnected"]
    assert "no permissions" in str(vars(caplog.records[-1])["why"])
    await server.command("ACL", "SETUSER", "app", "+subscribe", "allchannels")
    await until(lambda: broker.is_healthy, MOST_S)
    assert caplog.messages[-1] == "broker.reconnected"
    await broker.close()


async def test_a_process_has_one_subscribing_and_one_publishing_connection(server: Server) -> None:
    async with connected(server) as broker:
        for number in range(20):
            await recorder(broker, f"a{number}")
        await asyncio.gather(*(broker.publish([("a1", b"1")]) for _ in range(50)))
        clients = str(await server.command("CLIENT", "LIST")).count("id=")
        assert clients <= 3  # the third sends CLIENT LIST


@pytest.mark.parametrize("url", ["", "localhost", "http://localhost", "redis://h:port"])
def test_an_invalid_redis_url_raises_value_error(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        RedisBroker(url)


async def _fails_to_publish(broker: Broker) -> None:
    with pytest.raises(BrokerError):
        await broker.publish([("a", b"lost")])


async def _until_unhealthy(broker: Broker) -> None:
    await until(lambda: not broker.is_healthy, MOST_S)
