"""Deaf gateways: when Redis stops delivering, in any way, the gateway notices and loses no message.

Heads are compared every ten minutes here, so the gateway's watchdog must notice. CHATTERBOX_DEAFENINGS sets how often
each way is tried; `pytest --log-cli-level=info` shows the worst times of each.
"""

import asyncio
import logging
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from chatterbox.wire.broker_events import CONTROL
from tests.support.cable import Cable, Way, cable
from tests.support.loopback import NO_TLS
from tests.support.metrics_parser import figure
from tests.support.talker import Talker, contents, offsets
from tests.support.topology import Service, Topology, topology
from tests.support.waiting import proves_absence, until

pytestmark = pytest.mark.timing
log = logging.getLogger(__name__)

NOTICED_S = 4.0
DELIVERED_S = 10.0
DEAFENINGS = int(os.environ.get("CHATTERBOX_DEAFENINGS", "1"))
UNSUBSCRIBE = b"*1\r\n$11\r\nUNSUBSCRIBE\r\n"
FLOOD_BYTES, PAYLOAD_BYTES = 20_000_000, 10_000
"""More than the kernel buffers on the path hold; in payloads small enough that Valkey copies and counts them."""


class Site:
    """Two gateways: one with its Redis connections through a cable, and one to send from."""

    def __init__(self, whole: Topology, line: Cable) -> None:
        self.talking, self.listening = whole.gateways
        self.redis = whole.redis
        self.cable = line
        self.ada = self.bob = ""
        """Their tokens."""

    def count(self, *events: str) -> int:
        """How often the listening gateway has logged one of these events."""
        lines = self.listening.log.read_text().splitlines()
        return sum(not {*events}.isdisjoint(line.split()[3:4]) for line in lines)

    def reasons(self) -> list[str]:
        """The causes in its `dependency.down` lines."""
        lines = self.listening.log.read_text().splitlines()
        return [line.partition("why=")[2] for line in lines if line.split()[3:4] == ["dependency.down"]]

    async def figure(self, name: str) -> float:
        async with httpx.AsyncClient(base_url=self.listening.url, trust_env=False, verify=NO_TLS) as http:
            return figure((await http.get("/metrics")).content, f"chatterbox_gateway_{name}")


@asynccontextmanager
async def site(folder: Path, sabotage: str | None = None) -> AsyncIterator[Site]:
    async with topology(folder, started=False, CHATTERBOX_HEADS_INTERVAL_S="600") as whole:
        await whole.redis.start()
        async with cable(whole.redis.port) as line:
            url = folder / "redis-url-by-cable"
            url.write_text(f"redis://127.0.0.1:{line.port}")
            whole.gateways[1].environment["CHATTERBOX_REDIS_URL_FILE"] = str(url)
            if sabotage is not None:
                whole.gateways[1].sabotage(sabotage)
            await whole.start()
            here = Site(whole, line)
            here.ada, here.bob = await whole.newcomer("ada"), await whole.newcomer("bob")
            yield here


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with site(tmp_path_factory.mktemp("deaf")) as here:
        yield here


# Ways to deafen


async def killed(here: Site) -> None:
    """Redis closes the connection."""
    await here.redis.command("CLIENT", "KILL", "TYPE", "pubsub")


async def killed_without_a_word(here: Site) -> None:
    """Redis closes the connection, but the close never arrives."""
    here.cable.block(Way.TO_CLIENT)
    await here.redis.command("CLIENT", "KILL", "TYPE", "pubsub")


async def black_holed(here: Site) -> None:
    """Redis receives from the gateway, but nothing comes back on the existing connections."""
    here.cable.block(Way.TO_CLIENT)


async def overrun(here: Site) -> None:
    """The gateway reads too slowly and Redis disconnects it: the close arrives after everything that was buffered."""
    await here.redis.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 64kb 32kb 1")
    here.cable.block(Way.TO_CLIENT)
    async with Redis.from_url(here.redis.url) as redis, redis.pipeline(transaction=False) as flood:
        for _ in range(FLOOD_BYTES // PAYLOAD_BYTES):
            flood.publish(CONTROL, "x" * PAYLOAD_BYTES)
        await flood.execute()
    here.cable.mend()
    await here.redis.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60")


async def unsubscribed(here: Site) -> None:
    """Redis loses the subscriptions, but still answers every PING on that connection."""
    here.cable.inject(Way.TO_SERVER, UNSUBSCRIBE)


WAYS: list[Callable[[Site], Awaitable[None]]] = [killed, killed_without_a_word, black_holed, overrun, unsubscribed]


class Conversation:
    """A sender on one gateway and a receiver on the other."""

    def __init__(self, talker: Talker, listener: Talker, room: str) -> None:
        self.room = room
        self.said: list[str] = []
        self._talker = talker
        self._listener = listener

    async def say(self) -> None:
        said = f"message {len(self.said)}"
        assert (await self._talker.send(said, self.room))["type"] == "sent"
        self.said.append(said)

    async def all_heard(self) -> None:
        """Wait until the receiver has every message, once and in order."""
        heard = await self._listener.messages(len(self.said), self.room)
        assert contents(heard) == self.said
        assert offsets(heard) == list(range(1, len(self.said) + 1))


@asynccontextmanager
async def conversation(here: Site, name: str) -> AsyncIterator[Conversation]:
    async with here.talking.talker(here.ada) as ada, here.listening.talker(here.bob) as bob:
        await ada.ask("create", room=name)
        await bob.ask("join", room=name)
        talk = Conversation(ada, bob, name)
        await talk.say()
        await bob.first(type="message", content="message 0")
        bob.inbox.append({"type": "message", "room": name, "content": "message 0", "at": {"offset": 1}})
        yield talk


async def deafen(here: Site, name: str, way: Callable[[Site], Awaitable[None]]) -> tuple[float, float]:
    """Deafen the listening gateway under load; returns the seconds until it noticed, and until all was delivered."""
    async with conversation(here, name) as talk:
        await asyncio.sleep(random.uniform(0, 1))  # at any moment between canaries
        before = here.count("broker.disconnected", "broker.silent")
        began_s = time.monotonic()
        await way(here)
        await talk.say()

        async def noticed() -> bool:
            if len(talk.said) < 2 + 2 * (time.monotonic() - began_s):
                await talk.say()
            return here.count("broker.disconnected", "broker.silent") > before

        await until(noticed, 2 * NOTICED_S)
        noticed_s = time.monotonic() - began_s
        await talk.all_heard()
        delivered_s = time.monotonic() - began_s
    here.cable.mend()
    await here.listening.until_ready()
    return noticed_s, delivered_s


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
async def test_a_deafened_gateway_notices_within_4_s_and_has_delivered_everything_within_10_s(
    here: Site, way: Callable[[Site], Awaitable[None]]
) -> None:
    reconnects = await here.figure("broker_reconnects_total")
    times = [await deafen(here, f"{way.__name__.replace('_', '-')}-{number}", way) for number in range(DEAFENINGS)]
    noticed_s, delivered_s = (max(each) for each in zip(*times, strict=True))
    log.info("%s: %d times, noticed in %.2f s, all in %.2f s", way.__name__, len(times), noticed_s, delivered_s)
    assert noticed_s <= NOTICED_S
    assert delivered_s <= DELIVERED_S
    assert await here.figure("broker_reconnects_total") >= reconnects + DEAFENINGS


async def test_a_deaf_gateway_is_not_ready_and_reports_the_broker_as_away(here: Site) -> None:
    times = await here.figure("broker_silences_total")
    await unsubscribed(here)
    await _unready(here.listening)
    assert await here.figure("broker_silences_total") == times + 1
    assert await here.figure("canary_age_seconds") >= 2.5
    await here.listening.until_ready()
    assert await here.figure("canary_age_seconds") < 2


async def _unready(gateway: Service) -> None:
    await gateway.until(lambda status, body: status == 503 and body["broker"] == "away")


async def _listeners(here: Site) -> int:
    """How many connections Redis has that are subscribed to something."""
    return str(await here.redis.command("CLIENT", "LIST", "TYPE", "pubsub")).count(" laddr=")


async def test_a_gateway_without_canaries_stays_deaf(tmp_path: Path) -> None:
    """So it is the canary that detects this, and nothing else does."""
    async with site(tmp_path, sabotage="canary_off") as here, conversation(here, "silence") as talk:
        listeners = await _listeners(here)
        await unsubscribed(here)

        async def taken() -> bool:
            return await _listeners(here) < listeners

        await until(taken, 5)
        await talk.say()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(talk.all_heard(), NOTICED_S + 2)
        assert (await here.listening.health())[0] == 200


@pytest.mark.parametrize("blocked", [False, True], ids=["refuses", "says nothing"])
async def test_while_redis_is_away_events_are_logged_once_and_reconnects_are_paced(here: Site, blocked: bool) -> None:
    events = ("broker.disconnected", "broker.reconnected", "broker.silent", "broker.recovered", "dependency.recovered")
    before, accepted = {event: here.count(event) for event in events}, here.cable.accepted
    told = len(here.reasons())
    began_s = time.monotonic()
    if blocked:
        here.cable.block(Way.TO_CLIENT, new=True)
    else:
        here.cable.cut()
    await asyncio.wait_for(_unready(here.listening), 8)
    await proves_absence(5)
    assert (await here.listening.health())[0] == 503
    away_s = time.monotonic() - began_s
    assert here.cable.accepted - accepted <= 3 * (away_s + 1)  # one a second to publish, two at most to listen
    here.cable.mend()
    await here.listening.until_ready()
    back = ("broker.reconnected", "dependency.recovered")
    await until(lambda: all(here.count(event) > before[event] for event in back), 10)
    assert {event: here.count(event) - before[event] for event in events} == {
        **dict.fromkeys(events, 1),
        "broker.silent": 0,
        "broker.recovered": 0,
    }
    reasons = here.reasons()[told:]  # publishing may fail before the subscription does: each cause is logged once
    assert 1 <= len(reasons) == len(set(reasons)) <= 2


async def test_a_stopped_and_continued_gateway_is_not_deaf(here: Site) -> None:
    """Redis has answered meanwhile: pending input is read before anything times out."""
    async with conversation(here, "still") as talk:
        before = here.count("broker.disconnected", "broker.silent", "broker.publish_failed"), here.cable.accepted
        here.cable.block(Way.TO_CLIENT)
        await until(lambda: here.cable.holding(Way.TO_CLIENT) == 2, 5)  # a canary's replies, on both connections
        here.listening.send(signal.SIGSTOP)
        here.cable.mend()
        await talk.say()
        await proves_absence(4)
        here.listening.send(signal.SIGCONT)
        await talk.all_heard()
        await proves_absence(2)
        assert (
            here.count("broker.disconnected", "broker.silent", "broker.publish_failed"),
            here.cable.accepted,
        ) == before
