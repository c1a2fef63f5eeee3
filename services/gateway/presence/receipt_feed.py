"""Tells connections how far others have read the room that they look at: all of them first, then changes."""

import asyncio
import logging
from collections.abc import Mapping
from typing import NoReturn

from chatterbox.chassis.observability.incident import Incident
from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire import codec, frames
from chatterbox.wire.errors import ChatError
from services.gateway.core.frame_writer import text_frame
from services.gateway.metrics import GatewayMetrics
from services.gateway.presence.core.look_registry import LookRegistry
from services.gateway.presence.watch_feed import WatchingConnection
from services.gateway.rooms.room import Room
from services.gateway.upstream.history_client import HistoryClient

log = logging.getLogger("chatterbox.receipts")

TICK_S = 1.0
"""Time between two `seen` frames to one connection (seconds)."""

Offsets = dict[str, int]
"""How far users have read a room, by username."""


class ReceiptFeed:
    """Tells connections that look at rooms; only history knows who is told what."""

    def __init__(
        self,
        looks: LookRegistry[WatchingConnection],
        rooms: Mapping[int, Room],
        history: HistoryClient,
        metrics: GatewayMetrics | None = None,
    ) -> None:
        """`rooms` are the open rooms by id, as they are at any time."""
        self._looks = looks
        self._rooms = rooms
        self._history = history
        self._metrics = metrics or GatewayMetrics()
        self._changed: dict[int, Offsets] = {}
        """By room id: how far users have read who were not told of yet."""
        self._late: dict[WatchingConnection, Offsets] = {}
        """What a connection is told later: once history has answered, or its socket is no longer full."""
        self._loading: dict[WatchingConnection, int] = {}
        """The room for which history is asked."""
        self._incident = Incident(log, down="receipts.unavailable", up="receipts.recovered")
        self._tasks = TaskSet()

    def begin_look(self, connection: WatchingConnection, room: Room) -> None:
        """A connection looks at a room now: ask history how far its members have read, and tell them all."""
        self.forget(connection)
        self._loading[connection] = room.room_id
        self._late[connection] = {}
        self._tasks.spawn(self._load(connection, room))

    async def _load(self, connection: WatchingConnection, room: Room) -> None:
        read: Offsets = {}
        try:
            read = dict(await self._history.receipts(room.room_id))
        except ChatError as problem:
            self._incident.fail(problem.detail)
        else:
            self._incident.recover()
        if self._looks.room_of(connection) != room.room_id or self._loading.get(connection) != room.room_id:
            return
        del self._loading[connection]
        self._late[connection] = read | self._late.get(connection, {})
        if not connection.is_full:
            self.send_missed(connection)

    def forget(self, connection: WatchingConnection) -> None:
        """The connection looks at no room any more."""
        self._loading.pop(connection, None)
        self._late.pop(connection, None)

    def note(self, room_id: int, username: str, offset: int) -> None:
        """A user whom others may be told of has read a room up to `offset`."""
        if room_id in self._looks:
            self._changed.setdefault(room_id, {})[username] = offset

    def send_missed(self, connection: WatchingConnection) -> None:
        """Tell a connection what it was not told while its socket was full, or while history was asked."""
        room = self._rooms.get(self._looks.room_of(connection) or 0)
        if room is not None and connection not in self._loading and (late := self._late.pop(connection, None)):
            self._tell(connection, room, late)

    async def run(self) -> NoReturn:
        """Tell lookers what changed, once a second, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    def tick(self) -> None:
        """Tell lookers what changed since the last tick."""
        changed, self._changed = self._changed, {}
        for room_id, read in changed.items():
            room = self._rooms.get(room_id)
            for connection in tuple(self._looks.lookers(room_id)) if room is not None else ():
                if connection in self._loading or connection.is_full:
                    self._late.setdefault(connection, {}).update(read)
                elif room is not None:
                    self._tell(connection, room, read)

    def _tell(self, connection: WatchingConnection, room: Room, read: Mapping[str, int]) -> None:
        """Tell how far others have read; rooms with receipts have few members, so each looker has a frame."""
        own = connection.member.username if connection.member is not None else ""
        readers = [frames.Receipt(username, offset) for username, offset in read.items() if username != own]
        if readers:
            connection.write(text_frame(codec.encode(frames.Seen(room=room.name, readers=readers))))
            self._metrics.seen_frames.inc()

    async def close(self) -> None:
        await self._tasks.close()
