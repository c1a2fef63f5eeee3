"""Which rooms the users who are here belong to, and what changes when that, or what a room is about, does.

Changes are numbered without holes by history (`revision`). One that does not follow the last means that some
were lost: then the memberships of everybody here, and their rooms' topics, are read anew.
"""

import asyncio
import logging
from typing import NoReturn

from chatterbox.wire import frames, history_api
from chatterbox.wire.broker_events import MembershipChanged, RoomEvent, TopicChanged
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError
from services.gateway.connections.connection import Connection, ConnectionState
from services.gateway.connections.hub import Hub
from services.gateway.connections.member import Member
from services.gateway.rooms.room import Room
from services.gateway.rooms.room_feed import RoomFeed
from services.gateway.upstream.history_client import HistoryClient

log = logging.getLogger("chatterbox.memberships")

WAITING_CHANGES = 10_000
"""Changes that wait to be applied; beyond, everything is read anew instead."""


class Memberships:
    """Keeps every member's rooms as history has them."""

    def __init__(self, hub: Hub, feed: RoomFeed, history: HistoryClient) -> None:
        self._hub = hub
        self._feed = feed
        self._history = history
        self._revision = 0
        self._changes: asyncio.Queue[RoomEvent] = asyncio.Queue(WAITING_CHANGES)
        self._newcomers: dict[int, Member] = {}
        self._next_load: asyncio.Task[None] | None = None
        self._loading = asyncio.Lock()

    async def load(self, member: Member) -> None:
        """Open every room of a user who has just come; raises `ChatError` when history is away.

        Those who come while history answers for others are asked for together: a crowd takes a few questions.
        """
        self._newcomers[member.user_id] = member
        if self._next_load is None:
            self._next_load = asyncio.get_running_loop().create_task(self._load_newcomers())
            self._next_load.add_done_callback(lambda load: load.cancelled() or load.exception())  # all may have gone
        await asyncio.shield(self._next_load)

    async def _load_newcomers(self) -> None:
        async with self._loading:
            self._next_load = None
            newcomers, self._newcomers = self._newcomers, {}
            answer, rooms = await self._read({user_id: member.username for user_id, member in newcomers.items()})
            for member in newcomers.values():
                self._settle(member, answer, rooms)
                member.is_loaded = True

    async def compare(self, revision: int) -> None:
        """History was at `revision` a moment ago; if it is not here, read everything anew.

        History is ahead where changes were lost on the way here, and behind where a backup was restored.
        """
        if revision == self._revision or not self._changes.empty():
            return
        try:
            await self._reload()
        except ChatError as problem:
            log.warning("memberships.unavailable", extra={"code": problem.code})

    def changed(self, change: RoomEvent) -> None:
        """A change arrived from the broker."""
        if not self._changes.full():
            self._changes.put_nowait(change)

    async def run(self) -> NoReturn:
        """Apply changes one after the other, for ever."""
        while True:
            change = await self._changes.get()
            try:
                await self._apply(change)
            except ChatError as problem:
                log.warning("membership.apply_failed", extra={"room_id": change.room_id, "code": problem.code})

    async def _apply(self, change: RoomEvent) -> None:
        if change.revision <= self._revision:
            return
        if change.revision > self._revision + 1:
            await self._reload()
            return
        if isinstance(change, MembershipChanged):
            await self._apply_membership(change)
        else:
            self._apply_topic(change)
        self._revision = change.revision

    def _apply_topic(self, change: TopicChanged) -> None:
        """A room that is not open here reads its topic when it is."""
        if (room := self._hub.rooms.get(change.room_id)) is not None:
            room.change_topic(change.topic, change.by)

    async def _apply_membership(self, change: MembershipChanged) -> None:
        member = self._hub.members.get(change.user_id)
        opened = await self._feed.open(_info(change)) if member is not None and change.member else None
        if member is not None:
            member.changes += 1
        if (room := self._hub.rooms.get(change.room_id)) is not None:
            told = frames.Membership(room=room.name, username=change.username, member=change.member, by=change.by)
            room.tell_others(told, member)
        if member is not None and opened is not None:
            self.enter(member, opened, by=change.by)
        elif member is not None and room is not None:
            self.exit(member, room)

    async def _reload(self) -> None:
        answer, rooms = await self._read({user_id: member.username for user_id, member in self._hub.members.items()})
        for member in tuple(self._hub.members.values()):
            if member.is_loaded:
                self._settle(member, answer, rooms)
        self._revision = max(self._revision, answer.revision)
        log.info("memberships.reloaded", extra={"users": len(answer.of), "revision": answer.revision})

    async def _read(self, users: dict[int, str]) -> tuple[history_api.MembershipSnapshot, dict[int, Room]]:
        """Ask history, and open the rooms. An answer older than what was applied meanwhile is asked for again.

        One older than what was known before the question is of another history, a restored backup: from then on
        nothing is known here, and whatever comes next has everything read anew.
        """
        while True:
            known = self._revision
            answer = await self._history.memberships(users)
            rooms = {info.room_id: await self._feed.open(info) for info in answer.rooms}
            if answer.revision < known:
                self._revision = 0
            if answer.revision >= self._revision:
                for info in answer.rooms:
                    rooms[info.room_id].change_topic(info.topic)
                return answer, rooms

    def _settle(self, member: Member, answer: history_api.MembershipSnapshot, rooms: dict[int, Room]) -> None:
        if member.user_id not in answer.of:  # came after the question
            return
        member.changes += 1
        belongs = [rooms[room_id] for room_id in answer.of[member.user_id]]
        for room in belongs:
            self.enter(member, room)
        for room in [room for room in member.rooms.values() if room not in belongs]:
            self.exit(member, room)

    def enter(self, member: Member, room: Room, *, by: str | None = None, asked: Connection | None = None) -> None:
        """Subscribe all connections of `member`; entering again changes nothing.

        Each is told from where its pushes follow, but `asked`: that one is answered in this turn of the event loop,
        so that nothing comes between.
        """
        before = member.rooms.get(room.name)
        if before is room:
            return
        if before is not None:  # another of this name: made anew, after a backup was restored that did not have it
            self._hub.close_room(before, CloseCode.EPOCH_CHANGED)
        member.rooms[room.name] = room
        member.changes += 1
        told = frames.Membership(
            room=room.name,
            username=member.username,
            member=True,
            by=by,
            at=room.at,
            private=room.private,
            topic=room.topic or "",
        )
        for connection in member.connections:
            if connection.state is ConnectionState.OPEN:
                if connection is not asked:
                    connection.send(told)
                room.attach(connection, room.opened.head)

    def exit(self, member: Member, room: Room) -> None:
        """Unsubscribe all connections of `member`; one that is not welcomed yet hears of its rooms when it is."""
        if member.rooms.get(room.name) is not room:
            return
        del member.rooms[room.name]
        member.changes += 1
        room.flush()
        told = frames.Membership(room=room.name, username=member.username, member=False)
        for connection in member.connections:
            room.detach(connection)
            if connection.state is ConnectionState.OPEN:
                connection.send(told)


def _info(change: MembershipChanged) -> history_api.RoomInfo:
    return history_api.RoomInfo(
        room_id=change.room_id, room=change.room, private=change.private, everyone=False, epoch="", head=0
    )
