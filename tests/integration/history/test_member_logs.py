"""Encrypted rooms in history: the member log that members sign, and what it takes to create, invite and remove."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from chatterbox.wire import history_api
from chatterbox.wire.encryption.member_log import MemberEntry, MemberEntryKind
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import RoomInfo
from tests.support.encryption.signed_entries import EntrySigner, SignedLog
from tests.support.history import Clock, Start
from tests.support.inbox_site import InboxSite

ROOM = "plans~"


class RoomSite(InboxSite):
    """A history whose users have master keys; `log` is the member log of `plans~`, which ada creates."""

    async def begin(self) -> None:
        await super().begin()
        people = (self.ada, self.bob, self.eve, self.zoe)
        self.signers = {user.username: EntrySigner(user.user_id, user.username) for user in people}
        self.log = SignedLog(ROOM)
        for signer in self.signers.values():
            await self.upload(signer)

    async def upload(self, signer: EntrySigner) -> None:
        """Make these the keys that the server has of a user."""
        upload = signer.device_list()
        keys = [msgspec.json.encode(part).decode() for part in (upload.master, upload.self_signing, upload.list)]
        columns = "(user_id, username, generation, version, master, self_signing, list)"
        sql = f"INSERT OR REPLACE INTO device_lists {columns} VALUES (?, ?, 1, 1, ?, ?, ?)"
        await self.write(sql, signer.user_id, signer.username, *keys)
        self.signers[signer.username] = signer

    def signer(self, user: str) -> EntrySigner:
        return self.signers[user]

    async def create(self, user: str = "ada") -> RoomInfo:
        return await self.try_to_create(self.log.create(self.signer(user)), user)

    async def try_to_create(
        self, entry: MemberEntry | None, user: str = "ada", *, room: str = ROOM, private: bool = True
    ) -> RoomInfo:
        call = history_api.CreateRoomCall(room, private, *self._ids(user), entry)
        return await self.history.ask("create", call, RoomInfo)

    async def invite(self, member: str, by: str = "ada") -> None:
        await self.try_to_invite(member, self.log.invite(self.signer(by), self.signer(member)), by)

    async def try_to_invite(self, member: str, entry: MemberEntry | None, by: str = "ada") -> None:
        call = history_api.InviteUserCall(ROOM, *self._ids(by), member, entry)
        await self.history.ask("invite", call, history_api.Invitee)

    async def join(self, user: str) -> RoomInfo:
        return await self.history.ask("join", history_api.JoinRoomCall(ROOM, *self._ids(user)), RoomInfo)

    async def enter(self, user: str, by: str = "ada") -> None:
        await self.invite(user, by)
        await self.join(user)

    async def remove(self, member: str, entry: MemberEntry | None, by: str = "ada") -> None:
        call = history_api.RemoveMemberCall(ROOM, *self._ids(by), member, entry)
        await self.history.ask("remove", call, history_api.RemovedMember)

    async def leave(self, user: str, entry: MemberEntry | None = None) -> None:
        call = history_api.LeaveRoomCall(ROOM, *self._ids(user), False, entry)
        await self.history.ask("leave", call, history_api.LeftRoom)

    async def recipients(self, user: str = "ada", after: int = 0) -> history_api.RoomRecipients:
        room = await self.history.ask("find", history_api.FindRoomCall(ROOM, *self._ids(user)), RoomInfo)
        call = history_api.RecipientsCall(room_id=room.room_id, user_id=self._ids(user)[0], after=after)
        return await self.store.recipients(call)

    async def members(self) -> list[str]:
        found: list[str] = (await self.history.get(f"/rooms/{ROOM}/members", "ada")).json()
        return found

    def stored(self) -> list[MemberEntry]:
        """The entries that are stored."""
        rows = self.rows("SELECT entry FROM member_log ORDER BY room_id, seq")
        return [msgspec.json.decode(text, type=MemberEntry) for (text,) in rows]

    def _ids(self, user: str) -> tuple[int, str]:
        return self.history.auth.names[user], user


@pytest.fixture
async def site(start: Start, clock: Clock) -> AsyncIterator[RoomSite]:
    async with start() as history:
        site = RoomSite(history, history.app.context.device_messages._store, clock)
        await site.begin()
        yield site


async def refusal(call: Any) -> tuple[Code, str]:
    with pytest.raises(ChatError) as refused:
        await call
    return refused.value.code, refused.value.detail


class TestCreating:
    async def test_an_encrypted_room_begins_with_the_entry_of_its_creator(self, site: RoomSite) -> None:
        room = await site.create()
        assert (room.room, room.private, room.encrypted, room.uid) == (ROOM, True, True, site.log.uid)
        found = await site.recipients()
        assert (found.entries, found.log, found.recipients) == (site.log.entries, 1, 2)

    async def test_the_same_entry_again_is_the_same_room(self, site: RoomSite) -> None:
        room = await site.create()
        assert await site.try_to_create(site.log.entries[0]) == room
        assert (await refusal(site.try_to_create(SignedLog(ROOM).create(site.signer("ada")))))[0] is Code.ROOM_EXISTS
        assert (await refusal(site.try_to_create(site.log.entries[0], "bob")))[0] is Code.ROOM_EXISTS

    async def test_it_takes_an_entry_that_is_right(self, site: RoomSite) -> None:
        ada, bob = site.signer("ada"), site.signer("bob")
        log = SignedLog(ROOM)
        assert (await refusal(site.try_to_create(None)))[0] is Code.MEMBER_ENTRY_MISSING
        for entry in (
            SignedLog(ROOM).create(bob),
            SignedLog("others~").create(ada),
            SignedLog(ROOM).create(ada.reset()),
            log.next(ada, kind=MemberEntryKind.INVITE, member=bob.member),
            log.next(ada, kind=MemberEntryKind.CREATE, nonce="short"),
            msgspec.structs.replace(SignedLog(ROOM).create(ada), nonce="x" * 22),
        ):
            assert (await refusal(site.try_to_create(entry)))[0] is Code.MEMBER_ENTRY_INVALID
        assert not site.stored()
        assert not site.rows("SELECT 1 FROM rooms WHERE name = ?", ROOM)


class TestInviting:
    async def test_an_invitation_is_an_entry_and_joining_is_none(self, site: RoomSite) -> None:
        await site.create()
        await site.invite("bob")
        assert (await site.history.get("/invitations", "bob")).json()[0]["room"] == ROOM
        before = (await site.recipients()).recipients
        await site.join("bob")
        found = await site.recipients("bob", after=1)
        assert (found.entries, found.log) == (site.log.entries[1:], 2)
        assert found.recipients == before + 1
        assert {device.username for device in found.devices} == {"ada", "bob"}
