"""Encrypted rooms over sockets, with real keys: who learns of them, of their member log, and of changes of members."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatterbox.wire.encryption.member_log import MemberEntry
from tests.support.encrypted_talker import EncryptedTalker, set_up
from tests.support.encryption.signed_entries import EntrySigner, SignedLog
from tests.support.server import running

ROOM = "plans~"


@dataclass
class Room:
    """Ada, Bob and Eve with a device each, and the member log of a room that Ada signs."""

    talkers: dict[str, EncryptedTalker]
    log: SignedLog = field(default_factory=lambda: SignedLog(ROOM))

    def __getitem__(self, name: str) -> EncryptedTalker:
        return self.talkers[name]

    def signer(self, name: str) -> EntrySigner:
        return EntrySigner.of(self.talkers[name].device.user)

    async def create(self) -> dict[str, Any]:
        entry = plain(self.log.create(self.signer("ada")))
        return await self["ada"].talker.ask("create", room=ROOM, private=True, entry=entry)

    async def invite(self, name: str) -> dict[str, Any]:
        entry = plain(self.log.invite(self.signer("ada"), self.signer(name)))
        return await self["ada"].talker.ask("invite", room=ROOM, username=name, entry=entry)

    async def enter(self, name: str) -> dict[str, Any]:
        await self.invite(name)
        return await self[name].talker.ask("join", room=ROOM)


def plain(entry: MemberEntry) -> Any:
    return msgspec.json.decode(msgspec.json.encode(entry))


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(tmp_path))
        talkers = {}
        for name in ("ada", "bob", "eve"):
            token = await server.newcomer(name)
            device = await set_up(server, token, f"{name.upper()}DEVICE"[:9].ljust(10, "2"))
            talkers[name] = EncryptedTalker(await stack.enter_async_context(server.talker(token)), device)
            await talkers[name].open_inbox()
        yield Room(talkers)


async def test_creator_and_new_member_learn_the_uid_and_all_entries(room: Room) -> None:
    created, joined = await room.create(), await room.enter("bob")
    assert created["uid"] == joined["uid"] == room.log.uid
    found = await room["bob"].talker.ask("recipients", room=ROOM)
    assert (found["entries"], found["log"]) == ([plain(entry) for entry in room.log.entries], 2)
    assert "entries" not in await room["bob"].talker.ask("recipients", room=ROOM, after=2)


async def test_members_send_messages_and_topics_that_all_of_them_can_read(room: Room) -> None:
    uid = (await room.create())["uid"]
    await room.enter("bob")
    ada, bob = room["ada"], room["bob"]
    version = await ada.share(ROOM, uid)
    assert (await ada.send(ROOM, uid, "Hello, Bob", version))["type"] == "sent"
    assert ada.session is not None
    topic = ada.session.encrypt(uid, "Engines")
    assert (await ada.talker.ask("topic", room=ROOM, topic=topic, recipients=version))["type"] == "topic_set"
    assert (await bob.talker.push("topic"))["topic"] == topic
    assert (await ada.talker.ask("topic", room=ROOM, topic="Engines"))["code"] == "room_encrypted"
    await room.enter("eve")
    assert (await ada.send(ROOM, uid, "Not for Eve", version))["code"] == "recipients_stale"


async def test_members_are_told_that_recipients_changed_when_one_joins_is_removed_or_leaves(room: Room) -> None:
    await room.create()
    bob = room["bob"].talker
    await room.enter("bob")
    versions = []
    await room.enter("eve")
    versions.append((await bob.push("recipients_changed", room=ROOM))["recipients"])
    entry = plain(room.log.remove(room.signer("ada"), room.signer("eve")))
    assert (await room["ada"].talker.ask("remove", room=ROOM, username="eve", entry=entry))["type"] == "removed"
    versions.append((await bob.push("recipients_changed", room=ROOM))["recipients"])
    assert (await room["eve"].talker.push("membership", room=ROOM, member=False))["by"] == "ada"
    left = plain(room.log.leave(room.signer("ada")))
    assert (await room["ada"].talker.ask("leave", room=ROOM, entry=left))["type"] == "left"
    versions.append((await bob.push("recipients_changed", room=ROOM))["recipients"])
    assert versions == sorted(set(versions))
    assert (await bob.ask("recipients", room=ROOM))["log"] == len(room.log.entries)


async def test_without_its_entry_a_change_is_refused(room: Room) -> None:
    ada = room["ada"].talker
    assert (await ada.ask("create", room=ROOM, private=True))["code"] == "member_entry_missing"
    await room.create()
    assert (await ada.ask("invite", room=ROOM, username="bob"))["code"] == "member_entry_missing"
    stale = plain(room.log.copy().invite(room.signer("ada"), room.signer("eve")))
    await room.enter("bob")
    assert (await ada.ask("invite", room=ROOM, username="eve", entry=stale))["code"] == "member_log_stale"
    assert (await ada.ask("remove", room=ROOM, username="bob"))["code"] == "member_entry_missing"
    assert (await ada.ask("invite", room=ROOM, username="eve", entry={}))["code"] == "bad_frame"
    assert (await ada.ask("create", room="open~", entry=stale))["code"] == "room_name_invalid"
