"""History in memory: the rules of the real service (plan, payloads), without database, clock or network. Pure."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field

import msgspec

from chatterbox.wire import history_api
from chatterbox.wire.broker_events import MembershipChanged, encode_batch, encode_changes, room_channel
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.history.core.append_plan import AppendPlan, MessageContext, Outcome, plan
from services.history.messages.commit_publisher import CommittedChanges, payloads
from tests.simulation.stored_room import RoomTransaction, StoredMessage, StoredRoom

Items = list[tuple[str, bytes]]
"""Payloads to publish, with their channels."""
JUMP = 1_000_000_000
"""Added to ids and revisions when a backup is restored."""
LIMITS = Limits()


@dataclass(slots=True)
class StoredHistory:
    """All durable data."""

    rooms: dict[int, StoredRoom] = field(default_factory=dict)
    revision: int = 1
    last_id: int = 0
    epochs: int = 0
    keys: dict[tuple[int, int, str], StoredMessage] = field(default_factory=dict)

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

    def append(self, batch: history_api.AppendBatch, now_ms: int) -> tuple[history_api.AppendAnswer, Items]:
        """Make changes, then store messages, as one transaction; returns the answer and what to publish."""
        transactions = {
            room_id: RoomTransaction.of(self.rooms[room_id])
            for room_id in dict.fromkeys(each.room_id for each in (*batch.changes, *batch.messages))
            if room_id in self.rooms
        }
        changed = [_changed(transactions.get(change.room_id), change, now_ms) for change in batch.changes]
        refusals = [self._checked_reply(message) for message in batch.messages]
        tried = [message for message, refusal in zip(batch.messages, refusals, strict=True) if refusal is None]
        planned = self._planned(tried, now_ms)
        self._add(planned, tried, transactions)
        stored = iter(map(self._with_thread, tried, planned.outcomes))
        outcomes = [refusal or next(stored) for refusal in refusals]
        items = [item for each in transactions.values() for item in _payloads(each)]
        return history_api.AppendAnswer(outcomes=outcomes, change_outcomes=changed), items

    def _planned(self, messages: Sequence[history_api.Append], now_ms: int) -> AppendPlan:
        contexts = [self._context(each) for each in messages]
        return plan(messages, contexts, now_ms=now_ms, last_id=self.last_id, limits=LIMITS)

    def _checked_reply(self, message: history_api.Append) -> history_api.AppendRefused | None:
        """The refusal of a new message that answers none."""
        room = self.rooms.get(message.room_id)
        is_new = (message.user_id, message.room_id, message.key) not in self.keys
        if room is not None and is_new and message.reply_to > room.head:
            return _refusal(ChatError(Code.MESSAGE_UNKNOWN))
        return None

    def _add(
        self, planned: AppendPlan, messages: Sequence[history_api.Append], transactions: dict[int, RoomTransaction]
    ) -> None:
        replies = {(each.user_id, each.room_id, each.key): each.reply_to for each in messages}
        for row in planned.inserts:
            which = row.user_id, row.room_id, row.key or ""
            message = StoredMessage(
                row.offset, row.message_id, row.user_id, row.username, row.content, row.timestamp_ms,
                reply_to=replies.get(which, 0),
            )  # fmt: skip
            transactions[row.room_id].add(message)
            self.last_id = row.message_id
            if row.key:
                self.keys[which] = message

    def _with_thread(self, message: history_api.Append, outcome: Outcome) -> Outcome:
        if isinstance(outcome, history_api.AppendRefused):
            return outcome
        stored = self.rooms[message.room_id].messages[outcome.offset - 1]
        return msgspec.structs.replace(outcome, thread=stored.thread)

    def _context(self, message: history_api.Append) -> MessageContext:
        room = self.rooms.get(message.room_id)
        if room is None:
            return MessageContext(
                None, "", 0, 0, member=False, earlier_id=None, earlier_offset=0, earlier_ms=0, earlier_content=""
            )
        earlier = self.keys.get((message.user_id, message.room_id, message.key))
        is_as_sent = earlier is not None and not (earlier.edited_ms or earlier.deleted_by)
        return MessageContext(
            room=room.name, epoch=room.epoch, head=room.head,
            last_ms=room.messages[-1].timestamp_ms if room.messages else 0,
            member=message.user_id in room.members,
            earlier_id=earlier.message_id if earlier else None,
            earlier_offset=earlier.offset if earlier else 0,
            earlier_ms=earlier.timestamp_ms if earlier else 0,
            earlier_content=earlier.content if earlier and is_as_sent else message.content,
        )  # fmt: skip

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
        return history_api.Heads(
            self.revision, {room.room_id: history_api.RoomHead(room.epoch, room.head, room.rev) for room in rooms}
        )

    def page(self, call: history_api.PageQuery) -> history_api.StoredPage:
        if call.room_id not in self.rooms:
            raise ChatError(Code.ROOM_UNKNOWN)
        return self.rooms[call.room_id].page(call)

    def changes(self, call: history_api.ChangesQuery) -> history_api.StoredChanges:
        if call.room_id not in self.rooms:
            raise ChatError(Code.ROOM_UNKNOWN)
        return self.rooms[call.room_id].changes(call)

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


def _changed(
    transaction: RoomTransaction | None, change: history_api.AnyMessageChange, now_ms: int
) -> history_api.ChangeStored | history_api.AppendRefused:
    if transaction is None:
        return _refusal(ChatError(Code.ROOM_UNKNOWN))
    try:
        return history_api.ChangeStored(transaction.change(change, now_ms))
    except ChatError as problem:
        return _refusal(problem)


def _refusal(problem: ChatError) -> history_api.AppendRefused:
    return history_api.AppendRefused(problem.code, problem.detail)


def _payloads(transaction: RoomTransaction) -> Items:
    """Changes first, then messages, as the service publishes them."""
    room, channel = transaction.room, room_channel(transaction.room.room_id)
    items: Items = []
    if changed := transaction.changed:
        items.append((channel, encode_changes(room.epoch, transaction.after, changed)))
    if added := list(transaction.added):
        items.append((channel, encode_batch(room.epoch, transaction.first, added, room.rev)))
    return items
