"""Keeps the memberships and privacy of connected users, and their rooms' topics, as history has them.

History numbers changes without holes (`revision`). A change that does not follow the last one means that changes were
lost: then the memberships of all connected users and their rooms' topics are read again.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import NoReturn, assert_never

from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire import direct_names, frames, history_api
from chatterbox.wire.broker_events import (
    InvitationChanged,
    MembershipChanged,
    PersonChanged,
    RoomDeleted,
    RoomEvent,
    TopicChanged,
)
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.people import Privacy
from chatterbox.wire.read_state import ReadState
from services.gateway.rooms.member import Member
from services.gateway.rooms.room import Room, RoomConnection
from services.gateway.rooms.room_feed import RoomFeed
from services.gateway.upstream.history_client import HistoryClient

log = logging.getLogger("chatterbox.memberships")

QUEUED_CHANGES = 10_000
"""Changes waiting to be applied; beyond, they are dropped and everything is read again."""
ARRIVAL_S = 0.2
"""How long a change may take from its commit to this gateway before it counts as lost (seconds)."""
USERS_PER_CALL = 100
"""Users whose memberships are one answer of history: each may be in 2,000 rooms."""
LEAVES_PER_TURN = 50
"""Members of a deleted room who leave it per event-loop turn: about a millisecond's work."""


class Memberships:
    """Updates every member's rooms."""

    def __init__(
        self,
        members: Mapping[int, Member],
        feed: RoomFeed,
        history: HistoryClient,
        on_entered: Callable[[Member, Room, int], None] = lambda *_: None,
        *,
        on_left: Callable[[Room, str, Member | None], None] = lambda *_: None,
        on_privacy: Callable[[int, str, Privacy], None] = lambda *_: None,
        on_person: Callable[[PersonChanged], None] = lambda _: None,
        on_reloaded: Callable[[], None] = lambda: None,
    ) -> None:
        """`members` are the connected users by id, as they are at any time.

        `on_entered` is called with a member whose connections were told a room, the room, and the offset up to which
        they were told that the member has read it; `on_left` with the room and name of a user who is no longer in it,
        and the member, if connected here; `on_privacy` with a user whose privacy was read; `on_person` with a change;
        `on_reloaded` after everything was read again, since events may have been lost.
        """
        self._members = members
        self._feed = feed
        self._history = history
        self._on_entered = on_entered
        self._on_left = on_left
        self._on_privacy = on_privacy
        self._on_person = on_person
        self._on_reloaded = on_reloaded
        self._revision = 0
        self._changes: asyncio.Queue[RoomEvent] = asyncio.Queue(QUEUED_CHANGES)
        self._newcomers: dict[int, Member] = {}
        self._next_load: asyncio.Task[history_api.MembershipSnapshot | ChatError] | None = None
        self._loading = asyncio.Lock()
        self._tasks = TaskSet()

    async def load(self, member: Member) -> Mapping[int, ReadState] | None:
        """Open every room of a user who has just connected; raises `ChatError` if history is unavailable.

        Returns the user's state of each room by room id, or None if history did not tell.

        Users who connect while history answers for others are loaded together, so a crowd takes few calls.
        """
        is_full = len(self._newcomers) >= USERS_PER_CALL and member.user_id not in self._newcomers
        if self._next_load is None or is_full:
            self._newcomers = {}
            self._next_load = self._tasks.spawn(self._load_newcomers(self._newcomers))
        self._newcomers[member.user_id] = member
        answer = await asyncio.shield(self._next_load)
        if isinstance(answer, ChatError):
            raise answer
        return answer.reads.get(member.user_id)

    async def close(self) -> None:
        await self._tasks.close()

    async def _load_newcomers(self, newcomers: dict[int, Member]) -> history_api.MembershipSnapshot | ChatError:
        """Load users who wait; a refusal is returned to each of them, not raised: it is no failure of this task."""
        async with self._loading:
            if self._newcomers is newcomers:  # who comes from now on waits for the next call
                self._next_load = None
            try:
                answer, rooms = await self._read({user_id: member.username for user_id, member in newcomers.items()})
            except ChatError as problem:
                return problem
            for member in newcomers.values():
                self._reconcile(member, answer, rooms)
                member.mark_loaded()
            return answer

    async def compare(self, revision: int) -> None:
        """Read everything again unless `revision`, which history had a moment ago, is the one known here.

        History is ahead if changes were lost on the way, and behind if a backup was restored.
        """
        if revision == self._revision or not self._changes.empty():
            return
        try:
            await self._reload()
        except ChatError as problem:
            log.warning("memberships.unavailable", extra={"code": problem.code})

    async def expect(self, revision: int) -> None:
        """Read everything again unless every change up to `revision` arrives soon: history has committed them."""
        if revision > self._revision:
            await asyncio.sleep(ARRIVAL_S)
            if revision > self._revision:
                await self.compare(revision)

    def enqueue(self, change: RoomEvent) -> None:
        """Queue a change received from the broker."""
        if not self._changes.full():
            self._changes.put_nowait(change)

    async def run(self) -> NoReturn:
        """Apply changes one after the other until cancelled."""
        while True:
            change = await self._changes.get()
            try:
                await self._apply(change)
            except ChatError as problem:
                log.warning("membership.apply_failed", extra={"revision": change.revision, "code": problem.code})

    async def _apply(self, change: RoomEvent) -> None:
        if change.revision <= self._revision:
            return
        if change.revision > self._revision + 1:
            await self._reload()
            return
        match change:
            case MembershipChanged():
                await self._apply_membership(change)
            case TopicChanged():
                self._apply_topic(change)
            case RoomDeleted():
                await self._apply_deletion(change)
            case InvitationChanged():
                if (member := self._members.get(change.user_id)) is not None:
                    _invite(member, change.room, change.by if change.pending else None)
            case PersonChanged():
                if (member := self._members.get(change.user_id)) is not None:
                    member.set_privacy(change.privacy)
                self._on_person(change)
            case _:
                assert_never(change)
        self._revision = change.revision

    def _apply_topic(self, change: TopicChanged) -> None:
        """Change the topic of a room that is open here; others read theirs when they are opened."""
        if (room := self._feed.rooms.get(change.room_id)) is not None:
            room.set_topic(change.topic, change.by)

    async def _apply_membership(self, change: MembershipChanged) -> None:
        member = self._members.get(change.user_id)
        opened = await self._feed.open(_info(change)) if member is not None and change.member else None
        if member is not None:
            member.note_update()
        room = self._feed.rooms.get(change.room_id)
        if room is not None and not direct_names.people(room.name):  # there, both have been members from the beginning
            frame = frames.Membership(room=room.name, username=change.username, member=change.member, by=change.by)
            room.notify_members(frame, exclude=member.connections if member is not None else ())
        if member is not None and opened is not None:
            self.enter(member, opened, by=change.by, read=change.read)
        elif member is not None and room is not None:
            self.leave(member, room, by=change.by)
        elif room is not None and not change.member:
            self._on_left(room, change.username, None)

    async def _apply_deletion(self, change: RoomDeleted) -> None:
        """Make everybody leave a deleted room, a crowd a few at a time, then forget it."""
        room = self._feed.rooms.get(change.room_id)
        for number, member in enumerate(tuple(self._members.values()), 1):
            member.note_update()
            _invite(member, change.room, None)
            if room is not None:
                self.leave(member, room, by=change.by, deleted=True)
            if number % LEAVES_PER_TURN == 0:
                await asyncio.sleep(0)
        if room is not None:
            self._feed.discard(room)

    async def _reload(self) -> None:
        """Read everything again, of some users at a time: what changed in between is applied, or read again, after."""
        names = {user_id: member.username for user_id, member in self._members.items()}
        user_ids, revisions = list(names), []
        for first in range(0, max(1, len(user_ids)), USERS_PER_CALL):
            part = {user_id: names[user_id] for user_id in user_ids[first : first + USERS_PER_CALL]}
            answer, rooms = await self._read(part)
            for user_id in part:
                if (member := self._members.get(user_id)) is not None and member.is_loaded:
                    self._reconcile(member, answer, rooms)
            revisions.append(answer.revision)
        revision = min(revisions)
        self._revision = max(self._revision, revision)
        log.info("memberships.reloaded", extra={"users": len(names), "revision": revision})
        self._on_reloaded()

    async def _read(self, users: dict[int, str]) -> tuple[history_api.MembershipSnapshot, dict[int, Room]]:
        """Read memberships from history and open the rooms; retry if changes applied meanwhile are newer.

        An answer older than the revision known before the call comes from a restored backup. The known revision is
        then reset, so that the next change or comparison reads everything again.
        """
        while True:
            known = self._revision
            answer = await self._history.memberships(users)
            try:
                rooms = {room.room_id: room for room in await self._feed.open_all(answer.rooms, answer.cursor)}
            except ChatError as problem:
                if problem.code is Code.ROOM_UNKNOWN:  # deleted since the answer was given
                    continue
                raise
            if answer.revision < known:
                self._revision = 0
            if answer.revision >= self._revision:
                for info in answer.rooms:
                    rooms[info.room_id].set_topic(info.topic)
                return answer, rooms

    def _reconcile(self, member: Member, answer: history_api.MembershipSnapshot, rooms: dict[int, Room]) -> None:
        """Make `member` enter and leave rooms as `answer` says."""
        member.note_update()
        member.set_privacy(answer.privacy.get(member.user_id, Privacy()))
        self._on_privacy(member.user_id, member.username, member.privacy)
        current = dict.fromkeys(rooms[room_id] for room_id in answer.of[member.user_id])
        reads = answer.reads.get(member.user_id, {})
        for room in current:
            state = reads.get(room.room_id)
            self.enter(member, room, read=0 if state is None else state.read)
        for room in [room for room in member.rooms.values() if room not in current]:
            self.leave(member, room)
        pending = {invitation.room: invitation.by for invitation in answer.invitations.get(member.user_id, ())}
        for name in {**pending, **member.invitations}:
            _invite(member, name, pending.get(name))

    def enter(
        self,
        member: Member,
        room: Room,
        *,
        by: str | None = None,
        read: int = 0,
        requester: RoomConnection | None = None,
    ) -> None:
        """Subscribe all connections of `member`, who has read it up to offset `read`, to `room`, unless they are.

        Each is sent the position after which pushes follow, except `requester`, which the caller answers in the same
        event-loop turn, so that no message comes in between.
        """
        before = member.rooms.get(room.name)
        if before is room:
            return
        if before is not None:  # another room of this name, created after a backup without the first was restored
            before.close_connections(CloseCode.EPOCH_CHANGED)
        member.add_room(room)
        member.set_invitation(room.name, None)
        connections = [connection for connection in member.connections if connection.is_open]
        if not connections:
            return
        frame = frames.Membership(
            room=room.name,
            username=member.username,
            member=True,
            by=by,
            at=room.at,
            private=room.private,
            topic=room.topic or "",
            rev=room.rev,
            read=read,
            encrypted=room.encrypted,
            uid=room.uid,
            **direct_names.fields(room.name),
        )
        for connection in connections:
            if connection is not requester:
                connection.send(frame)
            room.attach(connection, room.opened.head)
        self._on_entered(member, room, read)

    def leave(self, member: Member, room: Room, *, by: str | None = None, deleted: bool = False) -> None:
        """Unsubscribe all connections of `member`; one that is not welcomed yet gets its rooms in the welcome.

        `by`: who removed the member or, if `deleted`, the room.
        """
        if member.rooms.get(room.name) is not room:
            return
        member.remove_room(room)
        room.flush()
        frame = frames.Membership(room=room.name, username=member.username, member=False, by=by, deleted=deleted)
        for connection in member.connections:
            room.detach(connection)
            if connection.is_open:
                connection.send(frame)
        self._on_left(room, member.username, member)


def _invite(member: Member, room: str, by: str | None) -> None:
    """Tell every connection of `member` about a new invitation, or (None) that there is none any longer."""
    before = member.invitations.get(room, "")
    if member.set_invitation(room, by):
        frame = frames.InvitationUpdate(room=room, by=by or before, pending=by is not None)
        for connection in member.connections:
            if connection.is_open:
                connection.send(frame)


def _info(change: MembershipChanged) -> history_api.RoomInfo:
    return history_api.RoomInfo(
        room_id=change.room_id,
        room=change.room,
        private=change.private,
        everyone=False,
        epoch="",
        head=0,
        encrypted=change.encrypted,
        uid=change.uid,
    )
