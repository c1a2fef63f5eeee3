"""Encrypted rooms between real devices over real sockets and the real history."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from chatterbox.wire import frames
from chatterbox.wire.encryption.member_log import NewcomerHistory
from chatterbox.wire.errors import ChatError, Code
from client.encryption.core.trust import Trust
from client.encryption.message_encryption import EncryptedRoom
from client.encryption.rooms.member_news import MemberNews
from tests.support.encrypted_client import Devices, EncryptedClient
from tests.support.server import Server

ROOM = "plans~"


async def create(client: EncryptedClient, room: str = ROOM) -> EncryptedRoom:
    command = await client.encryption.sign(
        frames.CreateRoom(id=0, room=room, private=True), None, history=NewcomerHistory.JOINING
    )
    created = await client.ask(command)
    return EncryptedRoom(created.room, created.uid)


async def change(client: EncryptedClient, room: EncryptedRoom, command: Any) -> Any:
    """Sign and send; again while another member was faster."""
    while True:
        try:
            return await client.ask(await client.encryption.sign(command, room))
        except ChatError as refusal:
            if refusal.code not in {Code.MEMBER_LOG_STALE, Code.RECIPIENTS_STALE}:
                raise


async def let_in(client: EncryptedClient, room: EncryptedRoom, other: EncryptedClient) -> None:
    await change(client, room, frames.Invite(id=0, room=room.name, username=other.username))
    await other.ask(frames.Join(id=0, room=room.name))


class TestRooms:
    async def test_members_read_what_was_written_since_they_joined(self, device: Devices, tmp_path: Path) -> None:
        ada, bob, cyd = [await device(name) for name in ("ada", "bob", "cyd")]
        room = await create(ada)
        await ada.say(room, "canary-alone")
        await let_in(ada, room, bob)
        await ada.say(room, "canary-two")
        await let_in(bob, room, cyd)
        await cyd.say(room, "canary-three")
        assert await ada.texts(room) == ["canary-alone", "canary-two", "canary-three"]
        assert (await bob.texts(room))[1:] == ["canary-two", "canary-three"]
        assert (await cyd.texts(room))[2:] == ["canary-three"]
        assert {each.irregularity for each in await cyd.history(room)} == {None}
        for file in (tmp_path / "server").rglob("*"):
            if file.is_file():
                assert b"canary-" not in file.read_bytes(), file

    async def test_member_who_was_removed_reads_nothing_of_what_follows(self, device: Devices) -> None:
        ada, bob, cyd = [await device(name) for name in ("ada", "bob", "cyd")]
        room = await create(ada)
        await let_in(ada, room, bob)
        await let_in(ada, room, cyd)
        await cyd.say(room, "before")
        await change(ada, room, frames.Remove(id=0, room=room.name, username="cyd"))
        await bob.say(room, "after")
        assert await bob.texts(room) == ["before", "after"]
        stored = (await ada.ask(frames.ReadHistory(id=0, room=room.name, after=0, limit=10))).messages
        assert [each.unreadable for each in await cyd.encryption.decrypt(room, stored)][-1] is not None

    async def test_member_who_left_can_be_invited_again(self, device: Devices) -> None:
        ada, bob = await device("ada"), await device("bob")
        room = await create(ada)
        await let_in(ada, room, bob)
        await change(bob, room, frames.Leave(id=0, room=room.name))
        await ada.say(room, "alone")
        await let_in(ada, room, bob)
        await ada.say(room, "together")
        assert (await bob.texts(room))[-1] == "together"
        assert (await bob.texts(room))[0].startswith("<")

    async def test_topic_is_read_by_members_and_unknown_to_the_server(self, device: Devices, tmp_path: Path) -> None:
        ada, bob = await device("ada"), await device("bob")
        room = await create(ada)
        await let_in(ada, room, bob)
        await change(ada, room, frames.SetTopic(id=0, room=room.name, topic="canary plans"))
        rooms = await bob.ask(frames.ListRooms(id=0))
        [topic] = [each.topic for each in rooms.rooms if each.room == room.name]
        assert topic.startswith("e1.")
        assert await bob.encryption.decrypt_topic(room, topic) == "canary plans"
        for file in (tmp_path / "server").rglob("*"):
            if file.is_file():
                assert b"canary" not in file.read_bytes(), file

    async def test_user_without_keys_can_not_be_invited(self, device: Devices, server: Server) -> None:
        ada = await device("ada")
        await server.register("bob")
        room = await create(ada)
        with pytest.raises(ChatError, match="bob has no keys yet") as refused:
            await ada.encryption.sign(frames.Invite(id=0, room=room.name, username="bob"), room)
        assert refused.value.code is Code.USER_UNKNOWN

    async def test_invitations_of_two_members_at_once_both_count(self, device: Devices) -> None:
        ada, bob, cyd, dan = [await device(name) for name in ("ada", "bob", "cyd", "dan")]
        room = await create(ada)
        await let_in(ada, room, bob)
        await asyncio.gather(let_in(ada, room, cyd), let_in(bob, room, dan))
        await ada.say(room, "all")
        for client in (bob, cyd, dan):
            assert (await client.texts(room))[-1] == "all"
        found = await ada.encryption.members(room)
        assert found is not None
        assert found.members == {
            "ada": Trust.VERIFIED,
            "bob": Trust.SEEN,
            "cyd": Trust.SEEN,
            "dan": Trust.SEEN,
        }

    async def test_nothing_is_told_of_a_room_that_is_as_its_members_signed(self, device: Devices) -> None:
        ada, bob = await device("ada"), await device("bob")
        news: list[MemberNews] = []
        for client in (ada, bob):
            client.encryption.logs.on_news = news.append
        room = await create(ada)
        await let_in(ada, room, bob)
        for number in range(3):
            await ada.say(room, f"a{number}")
            await bob.say(room, f"b{number}")
        await bob.texts(room)
        await change(bob, room, frames.Leave(id=0, room=room.name))
        await ada.say(room, "alone")
        assert news == []
