"""Earlier keys of encrypted rooms for members who come later, between real devices and the real server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatterbox.wire import frames
from chatterbox.wire.encryption.device_keys import matrix_room
from chatterbox.wire.encryption.member_log import NewcomerHistory
from chatterbox.wire.frames.encryption import DeviceAddress
from client.encryption.core.backup_items import BackupSession
from client.encryption.core.messages import room_history
from client.encryption.core.messages.room_history import ROOM_HISTORY
from client.encryption.core.trust import DecryptedMessage, Unreadable
from client.encryption.device.own_keys import OwnKeys
from client.encryption.device.recovery import new_recovery_key
from client.encryption.message_encryption import EncryptedRoom, HistoryGiven
from client.encryption.rooms import earlier_keys
from client.encryption.sessions import room_sessions
from client.encryption.store.key_store import StoreTransaction, Table
from tests.support.encrypted_client import Devices, EncryptedClient
from tests.support.encryption.forged_sessions import other_ratchet
from tests.support.server import Server
from tests.support.waiting import until

ROOM = "plans~"
MOST_S = 10.0


def now_ms() -> int:
    """Of this computer, as for the server: what was stored before a device began is compared with it."""
    return time.time_ns() // 1_000_000


@pytest.fixture
async def device(server: Server, tmp_path: Path) -> AsyncIterator[Devices]:
    """Make connected devices; each user's first one registers the user."""
    opened: list[EncryptedClient] = []

    async def connected(username: str) -> EncryptedClient:
        if not any(each.username == username for each in opened):
            await server.register(username)
        token = await server.login(username)
        home = tmp_path / f"home-{len(opened)}"
        opened.append(EncryptedClient(server, username, token, home, now_ms=now_ms))
        return await opened[-1].connect()

    yield connected
    for each in opened:
        await each.close()


async def create(client: EncryptedClient, history: NewcomerHistory = NewcomerHistory.ALL) -> EncryptedRoom:
    command = frames.CreateRoom(id=0, room=ROOM, private=True)
    created = await client.ask(await client.encryption.sign(command, None, history=history))
    return EncryptedRoom(created.room, created.uid)


async def invite(client: EncryptedClient, room: EncryptedRoom, username: str) -> HistoryGiven | None:
    command = frames.Invite(id=0, room=room.name, username=username)
    await client.ask(await client.encryption.sign(command, room))
    return await client.encryption.give_history(room)


async def join(client: EncryptedClient, room: EncryptedRoom) -> None:
    await client.ask(frames.Join(id=0, room=room.name))


async def read_until(client: EncryptedClient, room: EncryptedRoom, *texts: str) -> list[DecryptedMessage]:
    """What the device reads, once it reads these texts."""
    await until(partial(_reads, client, room, list(texts)), MOST_S)
    return await client.history(room)


async def _reads(client: EncryptedClient, room: EncryptedRoom, texts: list[str]) -> bool:
    return await client.texts(room) == texts


async def sessions(client: EncryptedClient, room: EncryptedRoom) -> list[BackupSession]:
    """What a device holds of a room."""

    def held(transaction: StoreTransaction) -> list[BackupSession]:
        rows = transaction.names(Table.INBOUND, f"{room.uid}/")
        return [each for row in rows if (each := room_sessions.export_session(transaction, row)) is not None]

    return await client.worker.run(held)


async def hand_over(
    client: EncryptedClient, room: EncryptedRoom, to: EncryptedClient, given: list[BackupSession]
) -> None:
    """Send sessions as earlier keys, whoever invited whom."""
    [content] = room_history.contents(matrix_room(room.uid), given)
    identity = to.account.result.identity if to.account.result else None
    assert identity is not None
    address = DeviceAddress(to.username, identity.device_id)
    await client.encryption.send_to_device([address], ROOM_HISTORY, msgspec.to_builtins(content))
    await to.encryption.read_inbox()


async def master_key(client: EncryptedClient) -> str:
    user = await client.worker.run(lambda transaction: client.encryption.trusted.by_name(transaction, client.username))
    assert user is not None
    return user.master


async def with_keys(client: EncryptedClient, work: Callable[[OwnKeys, Any], Any]) -> Any:
    """Do something with the keys of a device, as its commands do."""

    def run() -> Any:
        with client._api() as api, closing((keys := client._own_keys(api, *client.account._user)).store):
            return work(keys, keys.set_up())

    return await asyncio.to_thread(run)


class TestNewMembers:
    async def test_read_what_was_before_and_who_vouches_for_it(self, device: Devices) -> None:
        ada, bob, cyd = [await device(name) for name in ("ada", "bob", "cyd")]
        room = await create(ada)
        await invite(ada, room, "bob")
        await join(bob, room)
        await ada.say(room, "a1")
        await bob.say(room, "b1")
        await ada.history(room)
        given = await invite(ada, room, "cyd")
        assert given == HistoryGiven(("cyd",), 2, 0)
        await join(cyd, room)
        await cyd.say(room, "c1")
        read = await read_until(cyd, room, "a1", "b1", "c1")
        assert [each.key_from for each in read] == ["", "ada", ""]
        assert {each.irregularity for each in read} == {None}

    async def test_get_what_came_until_they_joined_and_nothing_twice(self, device: Devices) -> None:
        ada, bob, cyd, dan = [await device(name) for name in ("ada", "bob", "cyd", "dan")]
        room = await create(ada)
        for name, client in (("bob", bob), ("dan", dan)):
            await invite(ada, room, name)
            await join(client, room)
        await bob.say(room, "b1")
        await ada.history(room)
        given = await invite(ada, room, "cyd")
        assert given is not None
        assert given.sessions == 1
        assert await ada.encryption.give_history(room) == HistoryGiven((), 0, 0)
        command = frames.Remove(id=0, room=room.name, username="dan")
        await ada.ask(await ada.encryption.sign(command, room))
        await bob.say(room, "b2")
        await read_until(ada, room, "b1", "b2")
        assert len(await sessions(ada, room)) == 2
        await join(cyd, room)
        await read_until(cyd, room, "b1", "b2")

        async def is_settled() -> bool:
            return await ada.encryption.give_history(room) is None

        await until(is_settled, MOST_S)

    async def test_of_a_room_that_gives_none_read_from_their_joining_on(self, device: Devices) -> None:
        ada, bob = await device("ada"), await device("bob")
        room = await create(ada, NewcomerHistory.JOINING)
        await ada.say(room, "a1")
        assert await invite(ada, room, "bob") == HistoryGiven((), 0, 0)
        await hand_over(ada, room, bob, await sessions(ada, room))
        await join(bob, room)
        await ada.say(room, "a2")
        [first, second] = await bob.history(room)
        assert (first.unreadable, second.content) == (Unreadable.BEFORE_JOINED, "a2")
        await hand_over(ada, room, bob, await sessions(ada, room))
        assert [each.unreadable for each in await bob.history(room)] == [Unreadable.BEFORE_JOINED, None]

    async def test_take_keys_only_from_who_invited_them(self, device: Devices) -> None:
        ada, bob, cyd = [await device(name) for name in ("ada", "bob", "cyd")]
        room = await create(ada)
        await invite(ada, room, "bob")
        await join(bob, room)
        await ada.say(room, "a1")
        await bob.history(room)
        command = frames.Invite(id=0, room=room.name, username="cyd")
        await ada.ask(await ada.encryption.sign(command, room))
        await hand_over(bob, room, cyd, await sessions(bob, room))
        await ada.disconnect()
        await join(cyd, room)
        assert [each.unreadable for each in await cyd.history(room)] == [Unreadable.NOT_GIVEN]
        await hand_over(bob, room, cyd, await sessions(bob, room))
        assert [each.unreadable for each in await cyd.history(room)] == [Unreadable.NOT_GIVEN]
        await ada.connect()
        await read_until(cyd, room, "a1")

    async def test_keep_what_the_author_gave_them(self, device: Devices) -> None:
        ada, bob, cyd = [await device(name) for name in ("ada", "bob", "cyd")]
        room = await create(ada)
        await invite(ada, room, "bob")
        await join(bob, room)
        await bob.say(room, "b1")
        await ada.history(room)
        [whole] = await sessions(ada, room)
        command = frames.Invite(id=0, room=room.name, username="cyd")
        await ada.ask(await ada.encryption.sign(command, room))
        await ada.worker.run(partial(earlier_keys.settle, uid=room.uid, user_id=3))  # she gives nothing by herself
        await join(cyd, room)
        await bob.say(room, "b2")
        await read_until(cyd, room, f"<{Unreadable.NOT_GIVEN}>", "b2")
        [held] = await sessions(cyd, room)
        assert (whole.first_index, held.first_index) == (0, 1)
        forged = msgspec.structs.replace(whole, session_key=other_ratchet(whole.session_key))
        claimed = msgspec.structs.replace(forged, user_id=1, username="ada", master=await master_key(ada))
        await hand_over(ada, room, cyd, [forged, claimed])
        assert await sessions(cyd, room) == [held]
        await hand_over(ada, room, cyd, [whole])
        read = await read_until(cyd, room, "b1", "b2")
        assert [each.key_from for each in read] == ["", ""]

    async def test_read_it_on_a_device_that_comes_later_still(self, device: Devices) -> None:
        """The dehydrated device is given the keys like others, and the key backup keeps who gave them."""
        ada, bob, cyd = [await device(name) for name in ("ada", "bob", "cyd")]
        recovery_key = new_recovery_key()
        await with_keys(cyd, lambda keys, result: keys.recovery.adopt(result.identity, recovery_key))
        await with_keys(cyd, lambda keys, result: keys.renew_dehydrated(result))
        room = await create(ada)
        await invite(ada, room, "bob")
        await join(bob, room)
        await bob.say(room, "b1")
        await ada.history(room)
        await cyd.disconnect()
        await invite(ada, room, "cyd")
        newer = await device("cyd")
        await with_keys(newer, lambda keys, result: keys.recovery.recover(result.identity, recovery_key))
        await newer.disconnect()
        await newer.connect()
        await newer.encryption.read_dehydrated()
        await join(newer, room)
        [read] = await read_until(newer, room, "b1")
        assert read.key_from == "ada"
        await with_keys(newer, lambda keys, result: keys.backup.upload_all(result.identity))
        last = await device("cyd")
        await with_keys(last, lambda keys, result: keys.recovery.recover(result.identity, recovery_key))
        [read] = await read_until(last, room, "b1")
        assert read.key_from == "ada"


class TestWithheldKeys:
    async def test_the_reason_of_the_sender_is_shown(self, device: Devices) -> None:
        ada, bob = await device("ada"), await device("bob")
        room = await create(ada)
        await invite(ada, room, "bob")
        await join(bob, room)
        await ada.say(room, "a1")
        await read_until(bob, room, "a1")
        recovery_key = new_recovery_key()
        await with_keys(bob, lambda keys, result: keys.recovery.adopt(result.identity, recovery_key))
        await with_keys(bob, lambda keys, result: keys.recovery.reset(result.identity))
        await ada.say(room, "a2")
        assert [each.unreadable for each in await bob.history(room)] == [None, Unreadable.WITHHELD_CHANGED]
