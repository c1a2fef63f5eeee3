"""Encrypted conversations between real devices over real sockets and the real history."""

import asyncio
from pathlib import Path

import pytest

from chatterbox.wire import frames
from client.encryption.message_encryption import EncryptedRoom, EncryptionWaits, PlainContent, WaitReason
from tests.support.encrypted_client import Devices, EncryptedClient
from tests.support.server import Server
from tests.support.waiting import until


class TestDirectConversation:
    async def test_messages_are_read_by_both_and_the_server_has_envelopes_only(
        self, device: Devices, server: Server, tmp_path: Path
    ) -> None:
        ada, bob = await device("ada"), await device("bob")
        room = await ada.direct("bob")
        for number in range(3):
            await ada.say(room, f"canary-{number}")
            await bob.say(room, f"answer-{number}")
        expected = [text for number in range(3) for text in (f"canary-{number}", f"answer-{number}")]
        assert await ada.texts(room) == await bob.texts(room) == expected
        assert {each.irregularity for each in await bob.history(room)} == {None}
        for file in (tmp_path / "server").rglob("*"):
            if file.is_file():
                assert b"canary-" not in file.read_bytes(), file

    async def test_pushed_message_can_be_read_at_once(self, device: Devices) -> None:
        ada, bob = await device("ada"), await device("bob")
        room = await ada.direct("bob")
        at = await ada.say(room, "hello")
        async with bob.came:
            await asyncio.wait_for(bob.came.wait_for(lambda: at.offset in bob.messages), 10)
        [shown] = await bob.encryption.decrypt(room, [bob.messages[at.offset]])
        assert (shown.content, shown.username) == ("hello", "ada")

    async def test_message_waits_until_the_other_has_keys(self, device: Devices, server: Server) -> None:
        ada = await device("ada")
        await server.register("bob")
        room = await ada.direct("bob")
        with pytest.raises(EncryptionWaits) as waits:
            await ada.say(room, "hello")
        assert (waits.value.reason, waits.value.usernames) == (WaitReason.NO_KEYS, ("bob",))

    async def test_device_that_was_away_reads_everything_when_it_is_back(self, device: Devices) -> None:
        ada, bob = await device("ada"), await device("bob")
        room = await ada.direct("bob")
        await ada.say(room, "one")
        await bob.disconnect()
        for number in range(60):  # more than one session
            await ada.say(room, str(number))
        await bob.connect()
        assert await bob.texts(room) == ["one", *map(str, range(60))]
        assert {each.irregularity for each in await bob.history(room)} == {None}

    async def test_edit_and_reactions_are_encrypted(self, device: Devices) -> None:
        ada, bob = await device("ada"), await device("bob")
        room = await ada.direct("bob")
        at = await ada.say(room, "helo")
        await ada.texts(room)
        edit = await ada.encryption.encrypt("e", room, PlainContent("hello", offset=at.offset), again=False)
        await ada.ask(
            frames.Edit(id=0, room=room.name, offset=at.offset, content=edit.envelope, recipients=edit.recipients)
        )
        content = PlainContent(offset=at.offset, reactions=("👍",))
        await react(bob, room, content)
        await react(ada, room, content)
        [shown] = await bob.history(room)
        assert (shown.content, bool(shown.edited)) == ("hello", True)
        assert [(each.emoji, each.n, each.by) for each in shown.reactions] == [("👍", 2, ("bob", "ada"))]

    async def test_inbox_is_emptied_at_the_server(self, device: Devices, server: Server) -> None:
        ada, bob = await device("ada"), await device("bob")
        room = await ada.direct("bob")
        await ada.say(room, "hello")
        await bob.texts(room)

        async def is_empty() -> bool:
            opened = await bob.encryption._reader.open()
            return opened.at.offset == opened.head > 0

        await until(is_empty, 10)


async def react(client: EncryptedClient, room: EncryptedRoom, content: PlainContent) -> None:
    await client.texts(room)
    made = await client.encryption.encrypt(f"r-{client.username}", room, content, again=True)
    await client.ask(
        frames.React(id=0, room=room.name, offset=content.offset, envelope=made.envelope, recipients=made.recipients)
    )
