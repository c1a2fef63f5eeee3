"""A history with an encrypted room, whose users have master keys and sign its member log."""

import msgspec

from chatterbox.wire import history_api
from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.history_api import RoomInfo
from tests.support.device_rows import envelope
from tests.support.encryption.signed_entries import EntrySigner, SignedLog
from tests.support.history import code
from tests.support.inbox_site import SESSION, InboxSite

ROOM = "plans~"


class MemberLogSite(InboxSite):
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

    async def set_topic(self, topic: str, recipients: int, *, room: str = ROOM) -> str:
        call = history_api.ChangeTopicCall(room, *self._ids("ada"), topic, recipients)
        return (await self.history.ask("topic", call, history_api.StoredTopic)).topic

    async def send(self, *, recipients: int) -> str:
        """How sending a message of ada's session ended."""
        content = envelope(self.a1.device, SESSION)
        body = {"room": ROOM, "content": content, "recipients": recipients}
        answer = await self.history.do("POST", "/messages", "ada", body)
        return "stored" if answer.status_code == 201 else code(answer)[1]

    async def members(self) -> list[str]:
        found: list[str] = (await self.history.get(f"/rooms/{ROOM}/members", "ada")).json()
        return found

    def stored(self) -> list[MemberEntry]:
        """The entries that are stored."""
        rows = self.rows("SELECT entry FROM member_log ORDER BY room_id, seq")
        return [msgspec.json.decode(text, type=MemberEntry) for (text,) in rows]

    def _ids(self, user: str) -> tuple[int, str]:
        return self.history.auth.names[user], user
