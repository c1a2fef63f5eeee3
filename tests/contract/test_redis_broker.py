"""What only the Redis broker must survive. Whatever may have been lost ends in doubt, and in delivery again."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import redis

from chatterbox.chassis.broker import Broker, BrokerError
from chatterbox.chassis.redis_broker import RedisBroker
from chatterbox.chassis.redis_listening import Deadlines
from tests.contract.conftest import Server
from tests.support.ear import Ear, ear
from tests.support.waiting import proves_absence, until

QUICK = Deadlines(connect_s=1, publish_s=1, subscribe_s=1, ping_s=0.1, pong_s=1, retry_max_s=0.1)


@asynccontextmanager
async def to(server: Server, deadlines: Deadlines = QUICK) -> AsyncIterator[RedisBroker]:
    broker = RedisBroker(server.url, deadlines)
    yield broker
    await broker.close()


async def _delivers(broker: Broker, listening: Ear, *channels: str) -> None:
    for channel in channels:
        await broker.publish([(channel, b"again")])
        await listening.until((channel, b"again"))
    assert broker.is_whole


class TestDoubt:
    async def test_follows_when_the_server_ends_the_listening_connection(self, server: Server) -> None:
        async with to(server) as broker:
            listening = await ear(broker, "a", "b")
            assert await server.command("CLIENT", "KILL", "TYPE", "pubsub") == 1
            await listening.until_doubt()
            await _delivers(broker, listening, "a", "b")

    async def test_comes_once_for_each_loss_and_only_when_all_is_heard_again(self, server: Server) -> None:
        async with to(server) as broker:
            channels = [str(number) for number in range(2500)]
            listening = await ear(broker, *channels)
            for losses in (1, 2, 3):
                await server.command("CLIENT", "KILL", "TYPE", "pubsub")
                await listening.until_doubt(losses)
                assert await server.command("PUBSUB", "NUMSUB", channels[0], channels[-1]) == [b"0", 1, b"2499", 1]
                assert listening.doubts == losses

    async def test_follows_when_the_server_was_killed_and_started_again(self, server: Server) -> None:
        async with to(server) as broker:
            listening = await ear(broker, "a")
            await broker.publish([("a", b"before")])
            await server.kill()
            await _fails_to_publish(broker)
            await _until_away(broker)
            await server.start()
            await listening.until_doubt()
            await _delivers(broker, listening, "a")

    async def test_follows_when_the_server_was_frozen(self, server: Server) -> None:
        async with to(server) as broker:
            listening = await ear(broker, "a")
            server.signal(signal.SIGSTOP)
            await _fails_to_publish(broker)
            await _until_away(broker)
            server.signal(signal.SIGCONT)
            await listening.until_doubt()
            await _delivers(broker, listening, "a")

    async def test_follows_when_the_server_cuts_off_one_that_takes_nothing(self, server: Server) -> None:
        """The limit is Redis' own: 32 MB, after what the kernel holds. The publisher does not let the loop run here."""
        async with to(server) as broker:
            listening = await ear(broker, "a")
            published = 0
            with redis.Redis.from_url(server.url) as publisher:
                while publisher.publish("a", b"x" * 2**20) and published < 512:
                    published += 1
            await listening.until_doubt()
            assert len(listening.heard) < published
            await _delivers(broker, listening, "a")

    async def test_is_told_to_every_listener(self, server: Server) -> None:
        async with to(server) as broker:
            ears = [await ear(broker, "a"), await ear(broker, "a", "b"), await ear(broker, "c")]
            await server.command("CLIENT", "KILL", "TYPE", "pubsub")
            for listening in ears:
                await listening.until_doubt()

    async def test_is_not_for_those_who_were_never_cut_off(self, server: Server) -> None:
        async with to(server) as broker:
            listening = await ear(broker, "a")
            await proves_absence(5 * QUICK.ping_s)
            await listening.subscriber.subscribe(["b"])
            await _delivers(broker, listening, "a", "b")
            assert listening.doubts == 0


class TestWhileTheServerIsAway:
    async def test_subscribing_fails_soon_and_is_made_good_later(self, server: Server) -> None:
        await server.kill()
        async with to(server, Deadlines(subscribe_s=60, retry_max_s=0.1)) as broker:
            listening = Ear(broker)
            for channel in ("a", "b"):
                with pytest.raises(BrokerError):
                    await asyncio.wait_for(listening.subscriber.subscribe([channel]), 10)
            assert not broker.is_whole
            await server.start()
            await listening.until_doubt()
            await _delivers(broker, listening, "a", "b")

    @pytest.mark.timing
    async def test_a_frozen_one_holds_nobody_up_for_longer_than_the_deadline(self, server: Server) -> None:
        patient = Deadlines(connect_s=0.3, publish_s=0.3, subscribe_s=0.3, ping_s=5, pong_s=5)
        async with to(server, patient) as broker:
            listening = await ear(broker, "a")
            server.signal(signal.SIGSTOP)
            began = time.monotonic()
            with pytest.raises(BrokerError):
                await listening.subscriber.subscribe(["late"])
            await _fails_to_publish(broker)
            assert time.monotonic() - began < 2
            server.signal(signal.SIGCONT)
            await listening.until_doubt()
            await _delivers(broker, listening, "a", "late")

    async def test_what_was_left_meanwhile_stays_left(self, server: Server) -> None:
        async with to(server) as broker:
            listening = await ear(broker, "a", "b")
            await server.kill()
            await _until_away(broker)
            await listening.subscriber.unsubscribe(["b"])
            await server.start()
            await listening.until_doubt()
            await broker.publish([("b", b"unheard")])
            await _delivers(broker, listening, "a")
            assert listening.payloads("b") == []

    async def test_a_cancelled_publish_does_not_answer_for_the_next(self, server: Server) -> None:
        async with to(server) as broker:
            listening = await ear(broker, "a")
            for number in range(20):
                publishing = asyncio.create_task(broker.publish([("a", b"x")] * 50))
                await asyncio.sleep(number * 0.0002)
                publishing.cancel()
                await asyncio.gather(publishing, return_exceptions=True)
                await broker.publish([("a", b"%d" % number)])
                await listening.until(("a", b"%d" % number))


async def test_a_wrong_password_is_an_error_and_nothing_hangs(server: Server) -> None:
    await server.command("CONFIG", "SET", "requirepass", "right")
    async with to(server) as broker:
        with pytest.raises(BrokerError, match="it asks for a password"):
            await broker.publish([("a", b"1")])
        with pytest.raises(BrokerError):
            await Ear(broker).subscriber.subscribe(["a"])
        assert not broker.is_whole


async def test_a_user_who_may_not_subscribe_is_told_once_and_heard_of_again_when_that_is_mended(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatterbox.broker")
    await server.command("ACL", "SETUSER", "app", "on", ">right", "-@all", "+hello", "+ping")
    broker = RedisBroker(server.url.replace("//", "//app:right@"), QUICK)
    subscriber = Ear(broker).subscriber
    with pytest.raises(BrokerError):
        await subscriber.subscribe(["a"])
    await proves_absence(5 * QUICK.retry_max_s)  # attempts enough
    assert caplog.messages == ["broker.connected", "broker.away"]
    assert "no permissions" in str(vars(caplog.records[-1])["why"])
    await server.command("ACL", "SETUSER", "app", "+subscribe", "allchannels")
    await until(lambda: broker.is_whole, 5)
    assert caplog.messages[-1] == "broker.connected"
    await broker.close()


async def test_one_process_has_one_connection_to_listen_and_one_to_publish(server: Server) -> None:
    async with to(server) as broker:
        for number in range(20):
            await ear(broker, f"a{number}")
        await asyncio.gather(*(broker.publish([("a1", b"1")]) for _ in range(50)))
        clients = str(await server.command("CLIENT", "LIST")).count("id=")
        assert clients <= 3  # the third is this question's


@pytest.mark.parametrize("url", ["", "localhost", "http://localhost", "redis://h:port"])
def test_a_url_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        RedisBroker(url)


async def _fails_to_publish(broker: Broker) -> None:
    with pytest.raises(BrokerError):
        await broker.publish([("a", b"lost")])


async def _until_away(broker: Broker) -> None:
    await until(lambda: not broker.is_whole, 5)
