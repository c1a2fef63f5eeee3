"""Encrypted messages over two gateways: keys cross from one to the other, and survive the end of either."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from typing import NamedTuple

import httpx
import pytest

from tests.support.encrypted_talker import EncryptedTalker, list_devices, set_up
from tests.support.loopback import NO_TLS
from tests.support.talker import Talker
from tests.support.topology import Topology, topology

ADA_DEVICE, BOB_DEVICE = "ADADEVICE2", "BOBDEVICE2"
NUMBERS = count()
"""Tests share the servers, so each has users of its own."""


@pytest.fixture(scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Topology]:
    folder = tmp_path_factory.mktemp("encryption")
    settings = {"CHATTERBOX_ENCRYPTION": "direct", "CHATTERBOX_HEADS_INTERVAL_S": "1"}
    async with topology(folder, gateways=2, started=True, **settings) as whole:
        yield whole


class HistoryKeys(NamedTuple):
    """Where history takes keys."""

    http: httpx.AsyncClient


class Site(NamedTuple):
    """Ada at one gateway, Bob at the other one."""

    whole: Topology
    keys: HistoryKeys
    ada: EncryptedTalker
    bob: EncryptedTalker
    bob_token: str
    room: str
    uid: str

    async def tell(self, text: str) -> None:
        version = await self.ada.share(self.room, self.uid)
        sent = await self.ada.send(self.room, self.uid, text, version)
        assert sent["type"] == "sent", sent

    async def at_gateway(self, stack: AsyncExitStack, number: int) -> EncryptedTalker:
        """Bob, who comes back to this gateway."""
        talker: Talker = await stack.enter_async_context(self.whole.gateways[number].talker(self.bob_token))
        back = EncryptedTalker(talker, self.bob.device)
        opened = await back.open_inbox()
        assert opened["type"] == "inbox", opened
        return back


@pytest.fixture
async def site(whole: Topology) -> AsyncIterator[Site]:
    number = next(NUMBERS)
    names = [f"{name}{number}" for name in ("ada", "bob")]
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=whole.history.url, trust_env=False, verify=NO_TLS)
        )
        tokens = [await whole.newcomer(name) for name in names]
        talkers = []
        for token, device_id, gateway in zip(tokens, (ADA_DEVICE, BOB_DEVICE), whole.gateways, strict=True):
            device = await set_up(HistoryKeys(http), token, device_id)
            talker = EncryptedTalker(await stack.enter_async_context(gateway.talker(token)), device)
            await talker.open_inbox()
            talkers.append(talker)
        ada, bob = talkers
        opened = await ada.talker.ask("direct", username=names[1])
        await bob.talker.push("membership", room=opened["room"])
        yield Site(whole, HistoryKeys(http), ada, bob, tokens[1], opened["room"], opened["uid"])


async def test_keys_and_messages_cross_from_one_gateway_to_the_other(site: Site) -> None:
    await site.tell("hello")
    await site.bob.take_keys(site.ada.device)
    assert await site.bob.read(site.room) == "hello"


async def test_hints_about_devices_cross_too(site: Site) -> None:
    await list_devices(site.keys, site.bob_token, site.bob.device.user, site.bob.device)
    told = await site.ada.talker.push("device_list", username=site.bob.device.user.username)
    assert told["version"] == 2


async def test_what_was_pushed_and_not_taken_is_pushed_again_by_another_gateway(site: Site) -> None:
    await site.tell("hello")
    first = await site.bob.talker.push("to_device")
    async with AsyncExitStack() as stack:
        back = await site.at_gateway(stack, 0)
        assert await back.talker.push("to_device") == first


async def test_keys_reach_a_device_whose_gateway_was_killed(site: Site) -> None:
    await site.tell("one")
    gateway = site.whole.gateways[1]
    await gateway.kill()
    try:
        await site.tell("two")
        async with AsyncExitStack() as stack:
            back = await site.at_gateway(stack, 0)
            await back.take_keys(site.ada.device)
            page = await back.talker.ask("history", room=site.room, after=0)
            assert [back.device.read(each["content"])["content"]["b"] for each in page["messages"]] == ["one", "two"]
    finally:
        await gateway.start()
        await gateway.until_ready()


async def test_keys_arrive_late_while_the_broker_is_away(site: Site) -> None:
    await site.whole.redis.kill()
    try:
        await site.tell("hello")
        await site.bob.take_keys(site.ada.device)
        assert await site.bob.read(site.room) == "hello"
    finally:
        await site.whole.redis.start()
