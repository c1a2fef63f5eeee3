"""History in memory: the rules of the real service (plan, payloads), without database, clock or network. Pure."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count

from chatterbox.wire import history_api
from chatterbox.wire.broker_events import SIGNALS, MembershipChanged, ReadStatesChanged, encode_signal
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.read_state import ReadState
from chatterbox.wire.text_rules import folded
from services.history.core.append_plan import AppendPlan, MessageContext, plan
from services.history.core.change_plan import ChangeContext, ChangePlan, ChangePlanner, ChangeRoom, NewReaction
from services.history.core.mention_rules import mentioned
from services.history.core.room_activity import RoomActivity
from services.history.core.stored_message import StoredMessage
from services.history.messages.commit_publisher import CommittedChanges, payloads
from services.history.reads.read_activity import ReadActivity
from services.history.reads.read_state_cache import ReadStateCache
from tests.simulation.stored_reads import StoredReads, states_of
from tests.simulation.stored_room import StoredRoom

Items = list[tuple[str, bytes]]
"""Payloads to publish, with their channels."""
JUMP = 1_000_000_000
"""Added to ids and revisions when a backup is restored."""
LIMITS = Limits()
_runs = count()
REMEMBERED = 2
"""Users whose last change of a read state is remembered: so few that others are forgotten."""


@dataclass(slots=True)
class StoredHistory:
    """All durable data."""

    rooms: dict[int, StoredRoom] = field(default_factory=dict)
    revision: int = 1
    last_id: int = 0
    epochs: int = 0
    keys: dict[tuple[int, int, str], int] = field(default_factory=dict)
    """Offsets by user id, room id and key."""
    reactions: dict[tuple[int, str], dict[int, NewReaction]] = field(default_factory=dict)
    """By message id and emoji, then by user id."""
    activity: RoomActivity = field(default_factory=lambda: RoomActivity(lambda: f"run {next(_runs)}"))
    """Not durable: the service restarts it."""
    read_activity: ReadActivity = field(default_factory=lambda: ReadActivity(lambda: f"run {next(_runs)}", REMEMBERED))
    """Not durable either."""
    state_cache: ReadStateCache = field(init=False)
    reads: StoredReads = field(default_factory=StoredReads)

    def __post_init__(self) -> None:
        self.state_cache = ReadStateCache(self.read_activity, self.activity)

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
        fresh.forget_memory()
        fresh.revision += JUMP
        fresh.last_id += JUMP
        for room in fresh.rooms.values():
            room.epoch = f"{room.name}-e{fresh.epochs}"
        return fresh

    def forget_memory(self) -> None:
        """The process ends."""
        self.activity.restart()
        self.read_activity.restart()
        self.reads.restart()

    # Messages

    def append(self, batch: history_api.AppendBatch, now_ms: int) -> tuple[history_api.AppendAnswer, Items]:
        """Make changes, then store messages, as one transaction; returns the answer and what to publish."""
        planner = self._planner(batch, now_ms)
        for change in batch.changes:
            planner.decide(change, self._change_context(change))
        contexts = [self._context(each) for each in batch.messages]
        planned = plan(
            batch.messages, contexts, now_ms=now_ms, last_id=self.last_id, limits=LIMITS, changes=planner,
            mentions=self._mentions,
        )  # fmt: skip
        self._commit(planned, planner.plan)
        answer = history_api.AppendAnswer(outcomes=planned.outcomes, change_outcomes=planner.plan.outcomes)
        return answer, payloads(CommittedChanges([], planned))

    def _planner(self, batch: history_api.AppendBatch, now_ms: int) -> ChangePlanner:
        places = {(each.room_id, each.offset) for each in batch.changes}
        places |= {(each.room_id, each.reply_to) for each in batch.messages if each.reply_to}
        found = {(room_id, offset): self._message(room_id, offset) for room_id, offset in places}
        roots = {(room_id, each.thread) for (room_id, _), each in found.items() if each is not None and each.thread}
        found |= {(room_id, offset): self._message(room_id, offset) for room_id, offset in roots}
        rooms = {room_id: self._change_room(self.rooms[room_id]) for room_id, _ in places if room_id in self.rooms}
        messages = {place: message for place, message in found.items() if message is not None}
        return ChangePlanner(
            rooms, messages, now_ms=now_ms, limits=LIMITS, reactors=self._reactors, mentions=self._mentions
        )

    def _mentions(self, room_id: int, _user_id: int, text: str) -> tuple[str, ...]:
        members = {folded(username): username for username in self.rooms[room_id].members.values()}
        return mentioned(text, members, may_call=True, limit=LIMITS.mentions_per_message)

    def _message(self, room_id: int, offset: int) -> StoredMessage | None:
        room = self.rooms.get(room_id)
        return None if room is None or not 0 < offset <= room.head else room.messages[offset - 1]

    @staticmethod
    def _change_room(room: StoredRoom) -> ChangeRoom:
        pins = sum(each.pinned_ms is not None for each in room.messages)
        return ChangeRoom(room.name, room.epoch, room.rev, len(room.members), None, pins)

    def _change_context(self, change: history_api.AnyMessageChange) -> ChangeContext:
        room, message = self.rooms.get(change.room_id), self._message(change.room_id, change.offset)
        emoji = change.emoji if isinstance(change, history_api.MessageReaction) else ""
        reacted = message is not None and change.user_id in self.reactions.get((message.message_id, emoji), {})
        return ChangeContext(room is not None and change.user_id in room.members, reacted)

    def _reactors(self, message_id: int, emoji: str, limit: int) -> list[tuple[int, str]]:
        found = sorted((new, user_id) for user_id, new in self.reactions.get((message_id, emoji), {}).items())
        return [(user_id, new.username) for new, user_id in found[:limit]]

    def _context(self, message: history_api.Append) -> MessageContext:
        room = self.rooms.get(message.room_id)
        if room is None:
            return MessageContext(
                None, "", 0, 0, member=False, earlier_id=None, earlier_offset=0, earlier_ms=0, earlier_content=""
            )
        offset = self.keys.get((message.user_id, message.room_id, message.key))
        earlier = None if offset is None else room.messages[offset - 1]
        is_as_sent = earlier is not None and earlier.edited_ms is None and earlier.deleted_ms is None
        return MessageContext(
            room=room.name, epoch=room.epoch, head=room.head,
            last_ms=room.messages[-1].timestamp_ms if room.messages else 0,
            member=message.user_id in room.members,
            earlier_id=earlier.message_id if earlier else None,
            earlier_offset=earlier.offset if earlier else 0,
            earlier_ms=earlier.timestamp_ms if earlier else 0,
            earlier_content=earlier.content if earlier and is_as_sent else None,
            rev=room.rev,
            earlier_thread=earlier.thread if earlier else None,
        )  # fmt: skip

    def _commit(self, planned: AppendPlan, changes: ChangePlan) -> None:
        self.activity.note({**planned.tails, **changes.changed})
        if changes.mentions:
            self.read_activity.note_all()
        for row in planned.inserts:
            message = StoredMessage(
                row.offset, row.message_id, row.user_id, row.username, row.content, row.timestamp_ms
            )  # fmt: skip
            if (relations := planned.relations.get(row.message_id)) is not None:
                message = message._replace(**relations._asdict())
            self.rooms[row.room_id].messages.append(message)
            self.reads.note_sent(row.room_id, row.offset, row.user_id)
            self.last_id = row.message_id
            if row.key:
                self.keys[row.user_id, row.room_id, row.key] = row.offset
        for room_id, changed in changes.changed.items():
            self.rooms[room_id].rev = changes.rooms[room_id].rev
            for offset, change in changed.items():
                self.rooms[room_id].messages[offset - 1] = change.message
        for mentions in (*changes.mentions.values(), *planned.mentions):
            members = self.rooms[mentions.room_id].members
            self.reads.mention(mentions, {username: user_id for user_id, username in members.items()})
        for message_id in changes.erased:
            for place in [place for place in self.reactions if place[0] == message_id]:
                del self.reactions[place]
        for (message_id, emoji, user_id), new in changes.reactions.items():
            if new is None:
                self.reactions.get((message_id, emoji), {}).pop(user_id, None)
            else:
                self.reactions.setdefault((message_id, emoji), {})[user_id] = new

    # Memberships

    def join(self, call: history_api.JoinRoomCall) -> tuple[history_api.RoomInfo, Items]:
        room = self._named(call.room)
        if call.user_id in room.members:
            return room.info, []
        self.admit(room, call.user_id, call.username)
        return room.info, self._changed(room, call.user_id, call.username, member=True)

    def admit(self, room: StoredRoom, user_id: int, username: str) -> None:
        """Make a user a member of a room."""
        room.members[user_id] = username
        self.reads.begin(user_id, room)

    def leave(self, call: history_api.LeaveRoomCall) -> tuple[history_api.RoomInfo, Items]:
        room = self._named(call.room)
        if room.everyone:
            raise ChatError(Code.ROOM_FOR_ALL)
        if room.members.pop(call.user_id, None) is None:
            return room.info, []
        self.reads.end(call.user_id, room)
        return room.info, self._changed(room, call.user_id, call.username, member=False)

    def _changed(self, room: StoredRoom, user_id: int, username: str, *, member: bool) -> Items:
        self.revision += 1
        self.read_activity.note([user_id])
        change = MembershipChanged(
            revision=self.revision, room_id=room.room_id, room=room.name, private=False, user_id=user_id,
            username=username, member=member, by=username, read=room.head if member else 0,
        )  # fmt: skip
        return payloads(CommittedChanges([change], AppendPlan()))

    def memberships(self, call: history_api.UserIds) -> history_api.MembershipSnapshot:
        of = {user_id: self.rooms_of(user_id) for user_id in call.users}
        named = {room.room_id: room.info for rooms in of.values() for room in rooms}
        return history_api.MembershipSnapshot(
            self.revision, list(named.values()), {user_id: [room.room_id for room in of[user_id]] for user_id in of},
            reads=self.states_of(call.users), cursor=self.activity.cursor,
        )  # fmt: skip

    def rooms_of(self, user_id: int) -> list[StoredRoom]:
        return [room for room in self.rooms.values() if user_id in room.members]

    # What users have read

    def store_reads(self, call: history_api.ReadPositions) -> tuple[history_api.ReadOutcomes, Items]:
        """Store positions as one transaction; returns the answer and what to publish."""
        grown = self.reads.store(call.positions, self.rooms)
        self.read_activity.note({state.user_id for state in grown})
        rooms = [self.rooms.get(position.room_id) for position in call.positions]
        states = [
            self.reads.state(position.user_id, room) if room is not None and position.user_id in room.members else None
            for position, room in zip(call.positions, rooms, strict=True)
        ]
        signal = ReadStatesChanged(states=grown, origin=call.origin)
        return history_api.ReadOutcomes(states), [(SIGNALS, encode_signal(signal))] if grown else []

    def read_states(self, call: history_api.UserIds) -> history_api.ReadStates:
        return history_api.ReadStates(self.states_of(call.users))

    def states_of(self, user_ids: Iterable[int]) -> dict[int, dict[int, ReadState]]:
        """The states of these users; of some, as they were read before."""
        states = self.state_cache.find(user_ids)
        cursors = self.state_cache.cursors()
        read = states_of(self.reads, [user_id for user_id in user_ids if user_id not in states], self.rooms.values())
        self.state_cache.keep(cursors, read)
        return states | read

    # Reading

    def heads(self, call: history_api.HeadsQuery) -> history_api.Heads:
        room_ids = call.room_ids if call.since is None else self.activity.since(call.since)
        rooms = [self.rooms[room_id] for room_id in room_ids or () if room_id in self.rooms]
        heads = {room.room_id: history_api.RoomHead(room.epoch, room.head, room.rev) for room in rooms}
        return history_api.Heads(
            self.revision, heads, self.activity.cursor, room_ids is not None, topics={} if call.topics else None
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
