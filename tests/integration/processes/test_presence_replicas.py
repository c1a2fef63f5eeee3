"""Presence, typing and receipts over two gateways, through losses of the broker and of a gateway."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.loopback import NO_TLS
from tests.support.talker import Talker
from tests.support.topology import Service, Topology, topology

pytestmark = pytest.mark.timing
KNOWN_S = 2.0
"""Watchers at another gateway know this soon."""
BEAT_S = 2.0
GRACE_S = 3.0
FORGOTTEN_S = 3 * BEAT_S + 2.5
"""A gateway that was killed has no users any more after this time, as watchers are told."""


@pytest.fixture(scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Topology]:
    settings = {"CHATTERBOX_PRESENCE_GRACE_S": str(GRACE_S), "CHATTERBOX_PRESENCE_BEAT_S": str(BEAT_S)}
    async with topology(tmp_path_factory.mktemp("presence"), gateways=2, started=True, **settings) as whole:
        await asyncio.sleep(2 * BEAT_S)  # fixed: after that, who is at no gateway is offline
        yield whole


class Site:
    """Ada, who watches at one gateway; Bob comes to the other one."""

    def __init__(self, whole: Topology, names: tuple[str, str], tokens: tuple[str, str], ada: Talker) -> None:
        self.whole = whole
        self.ada_name, self.bob_name = names
        self.ada_token, self.bob_token = tokens
        self.ada = ada

    @property
    def here(self) -> Service:
        return self.whole.gateways[0]

    @property
    def there(self) -> Service:
        return self.whole.gateways[1]

    async def watched(self) -> str:
        [person] = (await self.ada.ask("watch", usernames=[self.bob_name]))["people"]
        return str(person["state"])

    async def told(self, max_s: float = KNOWN_S) -> str:
        """Bob's next state, which Ada is told in this time."""
        began_s = time.monotonic()
        [person] = (await self.ada.push("presence"))["people"]
        assert time.monotonic() - began_s < max_s
        return str(person["state"])

    async def sees_online(self) -> None:
        """Ada sees Bob, who has connected, online: at once if that is known when she begins to watch, or soon after."""
        if await self.watched() != "online":
            assert await self.told() == "online"

    async def silence(self, kind: str, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                frame = await self.ada.push(kind)
        except TimeoutError:
            return
        raise AssertionError(f"told {frame}")

    async def patch(self, **fields: Any) -> None:
        headers = {"Authorization": f"Bearer {self.bob_token}"}
        async with httpx.AsyncClient(base_url=self.whole.history.url, trust_env=False, verify=NO_TLS) as http:
            (await http.patch("/me", json=fields, headers=headers)).raise_for_status()


@pytest.fixture
async def site(whole: Topology, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    number = abs(hash(request.node.name)) % 10**9
    names = f"ada-{number}", f"bob-{number}"
    tokens = await whole.newcomer(names[0]), await whole.newcomer(names[1])
    async with whole.gateways[0].talker(tokens[0]) as ada:
        yield Site(whole, names, tokens, ada)


async def test_presence_at_another_gateway_is_known_within_two_seconds(site: Site) -> None:
    assert await site.watched() == "offline"
    async with site.there.talker(site.bob_token) as bob:
        assert await site.told() == "online"
        for away, state in ((True, "away"), (False, "online")):
            await bob.say({"type": "status", "away": away})
            assert await site.told() == state
    assert await site.told(GRACE_S + KNOWN_S) == "offline"


async def test_who_hides_is_offline_at_another_gateway_within_two_seconds(site: Site) -> None:
    async with site.there.talker(site.bob_token):
        await site.sees_online()
        await site.patch(presence="nobody")
        assert await site.told() == "offline"
        await site.patch(presence="everyone")
        assert await site.told() == "online"


async def test_a_logout_is_known_at_another_gateway_without_the_grace(site: Site) -> None:
    async with site.there.talker(site.bob_token):
        await site.sees_online()
        await site.whole.logout(site.bob_token)
        assert await site.told() == "offline"


async def test_moving_from_one_gateway_to_the_other_is_not_told(site: Site) -> None:
    async with site.there.talker(site.bob_token):
        await site.sees_online()
    async with site.here.talker(site.bob_token):
        await site.silence("presence", GRACE_S + KNOWN_S)


async def test_typing_and_receipts_reach_the_other_gateway(site: Site) -> None:
    async with site.there.talker(site.bob_token) as bob:
        room = f"room-{site.ada_name}"
        await site.ada.ask("create", room=room)
        await bob.ask("join", room=room)
        await site.ada.send("Hello", room)
        await site.ada.ask("look", room=room)
        assert (await site.ada.push("seen"))["readers"] == [{"username": site.bob_name, "offset": 0}]
        began_s = time.monotonic()
        await bob.say({"type": "typing", "room": room})
        assert (await site.ada.push("typing"))["who"] == [site.bob_name]
        assert time.monotonic() - began_s < KNOWN_S
        await bob.send("Hello, Ada", room)
        assert "who" not in await site.ada.push("typing")
        await bob.ask("read", room=room, offset=2)
        assert (await site.ada.push("seen"))["readers"] == [{"username": site.bob_name, "offset": 2}]


async def test_what_changes_while_redis_is_away_is_told_once_it_is_back(site: Site) -> None:
    assert await site.watched() == "offline"
    await site.whole.redis.kill()
    async with site.there.talker(site.bob_token):
        try:
            await site.silence("presence", 0.5)
        finally:
            await site.whole.redis.start()
        for gateway in site.whole.gateways:
            await gateway.until_ready()
        assert await site.told(10) in {"online", "unknown"}
        while await site.watched() != "online":
            await site.told(10)


async def test_who_was_at_a_killed_gateway_is_offline_soon_unless_another_device_is_elsewhere(site: Site) -> None:
    eve_name = f"eve-{site.bob_name}"
    eve = await site.whole.newcomer(eve_name)
    async with site.there.talker(site.bob_token), site.there.talker(eve), site.here.talker(eve):
        await site.sees_online()
        await site.ada.ask("watch", usernames=[site.bob_name, eve_name])
        await site.there.kill()
        try:
            assert await site.told(FORGOTTEN_S) == "offline", "Bob is told, and only Bob"
            await site.silence("presence", GRACE_S)
        finally:
            await site.there.start()
            await asyncio.gather(*(service.until_ready() for service in site.whole.services))


async def test_who_was_at_a_killed_gateway_and_is_back_elsewhere_was_never_gone(site: Site) -> None:
    async with site.there.talker(site.bob_token):
        await site.sees_online()
        await site.there.kill()
        try:
            async with site.here.talker(site.bob_token):
                await site.silence("presence", FORGOTTEN_S + 1)
        finally:
            await site.there.start()
            await asyncio.gather(*(service.until_ready() for service in site.whole.services))


async def test_a_gateway_that_has_just_started_says_unknown_until_it_knows(site: Site) -> None:
    await site.there.kill()
    await site.there.start()
    await site.there.until_ready()
    async with site.there.talker(site.bob_token) as bob:
        [person] = (await bob.ask("watch", usernames=["nobody-here", site.ada_name]))["people"]
        assert person["state"] in {"unknown", "online"}
        if person["state"] == "unknown":
            assert (await bob.push("presence"))["people"][0]["state"] == "online"
