"""Presence, typing and receipts at one gateway, over real sockets: what is told, to whom, and what ends it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Server, running
from tests.support.talker import Talker

GRACE_S = 2.0


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running(tmp_path, presence_grace_s=GRACE_S, presence_beat_s=1) as server:
        yield server


class Site:
    """Ada, who watches, and Bob's token."""

    def __init__(self, server: Server, ada: Talker, bob: str) -> None:
        self.server = server
        self.ada = ada
        self.bob = bob

    async def patch(self, token: str, **fields: Any) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await self.server.http.patch("/me", json=fields, headers=headers)
        assert answer.status_code < 300, answer.text

    async def logout(self, token: str) -> None:
        answer = await self.server.http.post("/logout", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code < 300, answer.text

    async def watched(self, *names: str) -> dict[str, dict[str, Any]]:
        """What Ada is told of these users from now on."""
        reply = await self.ada.ask("watch", usernames=list(names))
        assert reply["type"] == "watched", reply
        return {each["username"]: each for each in reply["people"]}

    async def told(self) -> dict[str, str]:
        """The next states that Ada is told."""
        push = await self.ada.push("presence")
        return {each["username"]: each["state"] for each in push["people"]}


@pytest.fixture
async def site(server: Server) -> AsyncIterator[Site]:
    ada, bob = await server.newcomer("ada"), await server.newcomer("bob")
    async with server.talker(ada) as talker:
        yield Site(server, talker, bob)


async def silence(talker: Talker, kind: str, seconds: float) -> None:
    """Fails if a frame of this type arrives in this time."""
    try:
        async with asyncio.timeout(seconds):
            frame = await talker.push(kind)
    except TimeoutError:
        return
    raise AssertionError(f"told {frame}")


class TestPresence:
    async def test_watchers_are_told_of_coming_being_away_and_going(self, site: Site) -> None:
        assert (await site.watched("bob", "ada", "nobody")).keys() == {"ada", "bob"}
        async with site.server.talker(site.bob) as bob:
            assert await site.told() == {"bob": "online"}
            await bob.say({"type": "status", "away": True})
            assert await site.told() == {"bob": "away"}
            assert (await bob.ask("status", away=False)) == {"type": "noted", "id": 1}
            assert await site.told() == {"bob": "online"}
        push = await site.ada.push("presence")
        assert push["people"][0]["state"] == "offline"
        assert push["people"][0]["seen"].endswith(":00.000Z")

    async def test_who_has_another_device_stays_online(self, site: Site) -> None:
        async with site.server.talker(site.bob), site.server.talker(site.bob):
            assert (await site.watched("bob"))["bob"]["state"] == "online"
            async with site.server.talker(site.bob):
                pass
            await silence(site.ada, "presence", GRACE_S + 2)

    async def test_who_is_back_within_the_grace_was_never_gone(self, site: Site) -> None:
        async with site.server.talker(site.bob):
            await site.watched("bob")
        async with site.server.talker(site.bob):
            await silence(site.ada, "presence", GRACE_S + 2)

    async def test_a_logout_is_told_without_the_grace(self, site: Site, tmp_path: Path) -> None:
        async with running(tmp_path / "other", presence_grace_s=3600) as server:
            ada, bob = await server.newcomer("ada"), await server.newcomer("bob")
            async with server.talker(ada) as talker, server.talker(bob):
                other = Site(server, talker, bob)
                assert (await other.watched("bob"))["bob"]["state"] == "online"
                await other.logout(bob)
                assert await other.told() == {"bob": "offline"}

    async def test_watching_others_ends_what_was_watched(self, site: Site) -> None:
        await site.watched("bob")
        assert await site.watched() == {}
        async with site.server.talker(site.bob):
            await silence(site.ada, "presence", 2)

    async def test_more_users_than_the_limit_are_refused(self, site: Site) -> None:
        reply = await site.ada.ask("watch", usernames=[f"user{number}" for number in range(201)])
        assert (reply["type"], reply["code"]) == ("error", "bad_frame")


class TestPrivacy:
    async def test_who_hides_is_offline_at_once_and_back_when_shown(self, site: Site) -> None:
        async with site.server.talker(site.bob):
            await site.watched("bob")
            await site.patch(site.bob, presence="nobody")
            push = await site.ada.push("presence")
            assert push["people"] == [{"username": "bob", "state": "offline"}]
            assert "seen" not in (await site.watched("bob"))["bob"]
            await site.patch(site.bob, presence="everyone")
            assert await site.told() == {"bob": "online"}

    async def test_a_hidden_user_who_comes_and_types_is_told_to_nobody(self, site: Site) -> None:
        await site.patch(site.bob, presence="nobody")
        await site.watched("bob")
        await site.ada.ask("look", room="general")
        async with site.server.talker(site.bob) as bob:
            assert (await bob.ask("typing", room="general"))["type"] == "noted"
            await silence(site.ada, "presence", 2)
            await silence(site.ada, "typing", 0.1)

    async def test_who_switches_typing_off_stops_at_once(self, site: Site) -> None:
        await site.ada.ask("look", room="general")
        async with site.server.talker(site.bob) as bob:
            await bob.ask("typing", room="general")
            assert (await site.ada.push("typing"))["who"] == ["bob"]
            await site.patch(site.bob, typing=False)
            assert "who" not in await site.ada.push("typing")
            await bob.ask("typing", room="general")
            await silence(site.ada, "typing", 2)


class TestProfiles:
    async def test_a_changed_profile_is_pushed_to_watchers_and_to_ones_own_devices(self, site: Site) -> None:
        async with site.server.talker(site.bob) as bob:
            await site.watched("bob")
            await site.patch(site.bob, display_name="Robert", status="back at three")
            for talker in (site.ada, bob):
                push = await talker.push("profile")
                assert (push["username"], push["profile"]["display_name"]) == ("bob", "Robert")
            assert (await site.watched("bob"))["bob"]["profile"]["status"] == "back at three"

    async def test_a_field_that_a_viewer_may_not_see_is_not_pushed(self, site: Site) -> None:
        await site.watched("bob")
        await site.patch(site.bob, bio="secret", display_name="Robert", visible={"bio": "nobody"})
        push = await site.ada.push("profile")
        assert push["profile"] == {"display_name": "Robert"}


class TestTyping:
    async def test_typing_is_told_to_who_looks_and_ends_with_the_message(self, site: Site) -> None:
        async with site.server.talker(site.bob) as bob:
            assert (await site.ada.ask("look", room="general"))["type"] == "noted"
            await bob.say({"type": "typing", "room": "general"})
            assert await site.ada.push("typing") == {"type": "typing", "room": "general", "who": ["bob"]}
            await bob.send("Hello")
            assert await site.ada.push("typing") == {"type": "typing", "room": "general"}
            assert not any(frame["type"] == "typing" for frame in bob.inbox)

    async def test_typing_is_not_told_to_who_looks_elsewhere(self, site: Site) -> None:
        async with site.server.talker(site.bob) as bob:
            await site.ada.ask("look", room="general")
            await site.ada.ask("look")
            await bob.ask("typing", room="general")
            await silence(site.ada, "typing", 1)

    async def test_only_members_look_and_type(self, site: Site) -> None:
        async with site.server.talker(site.bob) as bob:
            await bob.ask("create", room="ops")
            await bob.ask("create", room="secret", private=True)
            for command in ("look", "typing"):
                assert (await site.ada.ask(command, room="ops"))["code"] == "not_a_member"
                assert (await site.ada.ask(command, room="secret"))["code"] == "room_unknown"

    async def test_leaving_ends_looking_and_typing_in_that_room(self, site: Site) -> None:
        async with site.server.talker(site.bob) as bob, site.server.talker(await site.server.newcomer("eve")) as eve:
            await bob.ask("create", room="ops")
            for talker in (site.ada, eve):
                await talker.ask("join", room="ops")
            for talker in (site.ada, bob):
                await talker.ask("look", room="ops")
            await eve.ask("typing", room="ops")
            assert (await bob.push("typing"))["who"] == ["eve"]
            await bob.ask("remove", room="ops", username="ada")
            await eve.ask("leave", room="ops")
            assert "who" not in await bob.push("typing")
            await site.ada.push("typing")
            await bob.ask("typing", room="ops")
            await silence(site.ada, "typing", 1)


class TestReceipts:
    async def test_who_looks_is_told_how_far_others_have_read(self, site: Site) -> None:
        async with site.server.talker(site.bob) as bob:
            await bob.ask("create", room="ops")
            await site.ada.ask("join", room="ops")
            for number in range(3):
                await site.ada.send(f"message {number}", "ops")
            await site.ada.ask("look", room="ops")
            first = await site.ada.push("seen")
            assert first == {"type": "seen", "room": "ops", "readers": [{"username": "bob", "offset": 0}]}
            await bob.ask("read", room="ops", offset=2)
            assert (await site.ada.push("seen"))["readers"] == [{"username": "bob", "offset": 2}]
            assert not any(frame["type"] == "seen" for frame in bob.inbox)

    async def test_who_does_not_show_receipts_is_not_told_of(self, site: Site) -> None:
        async with site.server.talker(site.bob) as bob:
            await site.patch(site.bob, receipts=False)
            await bob.ask("create", room="ops")
            await site.ada.ask("join", room="ops")
            await site.ada.send("message", "ops")
            await site.ada.ask("look", room="ops")
            await bob.ask("read", room="ops", offset=1)
            await silence(site.ada, "seen", 2)
