"""History in memory: the rules of the real service (plan, payloads), without database, clock or network. Pure."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field

import msgspec

from chatterbox.wire import frames, history_api, text_rules
from chatterbox.wire.broker_events import MembershipChanged
from chatterbox.wire.codec import encode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position
from services.history.core.append_plan import AppendPlan, MessageContext, MessageRow, plan
from services.history.messages.commit_publisher import CommittedChanges, payloads

Items = list[tuple[str, bytes]]
"""Payloads to publish, with their channels."""
JUMP = 1_000_000_000
"""Added to ids and revisions when a backup is restored."""
LIMITS = Limits()


@dataclass(slots=True)
class StoredRoom:
    """A room with all its messages."""

    room_id: int
    name: str
    epoch: str
    everyone: bool = False
    messages: list[MessageRow] = field(default_factory=list)
    members: dict[int, str] = field(default_factory=dict)
    """Usernames by user id."""

    @property
    def head(self) -> int:
        return len(self.messages)

    @property
    def info(self) -> history_api.RoomInfo:
        return history_api.RoomInfo(
            room_id=self.room_id, room=self.name, private=False, everyone=self.everyone, epoch=self.epoch,
            head=self.head,
        )  # fmt: skip

    def page(self, call: history_api.PageQuery) -> history_api.StoredPage:
        if call.after is None:
            high = self.head if call.before is None else min(call.before - 1, self.head)
            low = max(0, high - call.limit)
        else:
            low, high = call.after, min(call.after + call.limit, self.head)
        found = [msgspec.Raw(self._frame(message)) for message in self.messages[low:high]]
        return history_api.StoredPage(epoch=self.epoch, head=self.head, first=low + 1, frames=found)

    def _frame(self, message: MessageRow) -> bytes:
        return encode(
            frames.Message(
                room=self.name, at=Position(self.epoch, message.offset), message_id=message.message_id,
                username=message.username, content=message.content,
                timestamp=text_rules.timestamp(message.timestamp_ms),
            )
        )  # fmt: skip


@dataclass(slots=True)
class StoredHistory:
    """All durable data."""

    rooms: dict[int, StoredRoom] = field(default_factory=dict)
    revision: int = 1
    last_id: int = 0
    epochs: int = 0
    keys: dict[tuple[int, int, str], MessageRow] = field(default_factory=dict)

    def add(self, name: str, *, everyone: bool = False) -> StoredRoom:
        room = StoredRoom(len(self.rooms) + 1, name, f"{name}-e0", everyone)
        self.rooms[room.room_id] = room
        return room

    def backup(self) -> "StoredHistory":
        return deepcopy(self)

    def restored(self, backup: "StoredHistory") -> "StoredHistory":
        """The history that replaces this one: the backup, with new epochs."""
        fresh = deepcopy(backup)
        fresh.epochs = self.epochs + 1
        fresh.revision += JUMP
        fresh.last_id += JUMP
        for room in fresh.rooms.values():
            room.epoch = f"{room.name}-e{fresh.epochs}"
        return fresh

    # Messages

    def planned(self, batch: Sequence[history_api.Append], now_ms: int) -> AppendPlan:
        """Plan how to store `batch`."""
        return plan(batch, [self._context(each) for each in batch], now_ms=now_ms, last_id=self.last_id, limits=LIMITS)

    def _context(self, message: history_api.Append) -> MessageContext:
        room = self.rooms.get(message.room_id)
        if room is None:
            return MessageContext(
                None, "", 0, 0, member=False, earlier_id=None, earlier_offset=0, earlier_ms=0, earlier_content=""
            )
        earlier = self.keys.get((message.user_id, message.room_id, message.key))
        return MessageContext(
            room=room.name, epoch=room.epoch, head=room.head,
            last_ms=room.messages[-1].timestamp_ms if room.messages else 0,
            member=message.user_id in room.members,
            earlier_id=earlier.message_id if earlier else None,
            earlier_offset=earlier.offset if earlier else 0,
            earlier_ms=earlier.timestamp_ms if earlier else 0,
            earlier_content=earlier.content if earlier else "",
        )  # fmt: skip

    def commit(self, planned: AppendPlan) -> None:
        for insert in planned.inserts:
            self.rooms[insert.room_id].messages.append(insert)
            self.last_id = insert.message_id
            if insert.key:
                self.keys[insert.user_id, insert.room_id, insert.key] = insert

    # Memberships

    def join(self, call: history_api.JoinRoomCall) -> tuple[history_api.RoomInfo, Items]:
        room = self._named(call.room)
        if call.user_id in room.members:
            return room.info, []
        room.members[call.user_id] = call.username
        return room.info, self._changed(room, call.user_id, call.username, member=True)

    def leave(self, call: history_api.LeaveRoomCall) -> tuple[history_api.RoomInfo, Items]:
        room = self._named(call.room)
        if room.everyone:
            raise ChatError(Code.ROOM_FOR_ALL)
        if room.members.pop(call.user_id, None) is None:
            return room.info, []
        return room.info, self._changed(room, call.user_id, call.username, member=False)

    def _changed(self, room: StoredRoom, user_id: int, username: str, *, member: bool) -> Items:
        self.revision += 1
        change = MembershipChanged(
            revision=self.revision, room_id=room.room_id, room=room.name, private=False, user_id=user_id,
            username=username, member=member, by=username,
        )  # fmt: skip
        return payloads(CommittedChanges([change], AppendPlan()))

    def memberships(self, call: history_api.UserIds) -> history_api.MembershipSnapshot:
        of = {user_id: self.rooms_of(user_id) for user_id in call.users}
        named = {room.room_id: room.info for rooms in of.values() for room in rooms}
        return history_api.MembershipSnapshot(
            self.revision, list(named.values()), {user_id: [room.room_id for room in of[user_id]] for user_id in of}
        )

    def rooms_of(self, user_id: int) -> list[StoredRoom]:
        return [room for room in self.rooms.values() if user_id in room.members]

    # Reading

    def heads(self, call: history_api.RoomIds) -> history_api.Heads:
        rooms = [self.rooms[room_id] for room_id in call.room_ids if room_id in self.rooms]
        return history_api.Heads(self.revision, {room.room_id: (room.epoch, room.head) for room in rooms})

    def page(self, call: history_api.PageQuery) -> history_api.StoredPage:
        if call.room_id not in self.rooms:
            raise ChatError(Code.ROOM_UNKNOWN)
        return self.rooms[call.room_id].page(call)

    def find(self, call: history_api.FindRoomCall) -> history_api.RoomInfo:
        return self._named(call.room).info

    def listing(self, call: history_api.ListRoomsCall) -> history_api.RoomListing:
        return history_api.RoomListing(
            [
                history_api.VisibleRoom(
                    room=room.name, private=False, member=call.user_id in room.members, members=len(room.members),
                    epoch=room.epoch, head=room.head,
                )
                for room in self.rooms.values()
            ]
        )  # fmt: skip

    def _named(self, name: str) -> StoredRoom:
        for room in self.rooms.values():
            if room.name == name:
                return room
        raise ChatError(Code.ROOM_UNKNOWN)
