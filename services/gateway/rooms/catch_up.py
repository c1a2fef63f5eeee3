"""Catches up connections that are behind, by position: from memory as far as it reaches, otherwise from history.

First come the messages after the offset, as they are now, then the changes after the rev. A client that resumes after
an hour and one whose socket was full for a second take the same path. The last step, from memory to live, happens
within one event-loop turn, so nothing can come in between.
"""

import asyncio
import logging
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Protocol

from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire.broker_events import ChangedMessage
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError, Code
from services.gateway.core.change_frames import change_frames
from services.gateway.core.frame_writer import text_frame
from services.gateway.metrics import GatewayMetrics
from services.gateway.rooms.member import Member
from services.gateway.rooms.room import Room, RoomConnection
from services.gateway.rooms.room_memory import RoomMemory
from services.gateway.upstream.history_client import HistoryClient

log = logging.getLogger("chatterbox.catch_up")

PAGE_MESSAGES = 200
"""Messages, or changed messages, per page, at most."""
PAGE_BYTES = 262_144
"""Approximate size of a page of large messages (bytes); messages that are read but not pushed are read again."""
RETRY_S = 1.0
"""Time until history is asked again after a failure (seconds)."""
CONCURRENT_PAGES = 8
"""Pages read from history at the same time, for all connections together."""
CHUNK_BYTES = 32_768
"""Size of one write."""
MAX_UNSENT_BYTES = 262_144
"""Unsent data of a socket beyond which nothing is written; one chunk more may be waiting. A kernel accepts only part
of a page at once."""


class BehindConnection(RoomConnection, Protocol):
    """A connection to catch up in the rooms of its member; `Connection` implements it."""

    @property
    def member(self) -> Member | None: ...


class CatchUp:
    """Catches up connections."""

    def __init__(self, history: HistoryClient, memory: RoomMemory, metrics: GatewayMetrics | None = None) -> None:
        self._history = history
        self._memory = memory
        self._metrics = metrics or GatewayMetrics()
        self._pages = asyncio.Semaphore(CONCURRENT_PAGES)
        self._tasks = TaskSet()
        self._active: set[BehindConnection] = set()
        """Connections for which pages are being read."""

    def start(self, connection: BehindConnection) -> None:
        """Make every room of `connection` live, unless that is in progress or its socket is full."""
        if connection in self._active or self._from_memory(connection):
            return
        self._active.add(connection)
        self._tasks.spawn(self._from_history(connection))

    async def close(self) -> None:
        await self._tasks.close()

    def _from_memory(self, connection: BehindConnection) -> bool:
        """Whether nothing is left to do now: all rooms are live, or the socket is full (`start` follows later)."""
        return all(connection.is_full or self._go_live(connection, room) for room in _rooms_behind(connection))

    def _go_live(self, connection: BehindConnection, room: Room) -> bool:
        room.flush()
        missing = room.opened.recent.after(room.behind[connection])
        if missing is None:
            return False
        changed = _changed(connection, room)
        _push(connection, room, missing)
        if changed is None:
            return False
        if room.behind[connection] == room.sent and room.rev > room.held_by(connection).rev:
            _push_changes(connection, room, changed, room.rev)
        if not connection.is_full:  # then everything was pushed
            room.go_live(connection)
            room.send_missed_topic(connection)
        return True

    async def _from_history(self, connection: BehindConnection) -> None:
        try:
            for room in _rooms_behind(connection):
                await self._read_pages(connection, room)
        except ChatError as problem:
            log.warning("catch_up.failed", extra={"connection": connection.connection_id, "code": problem.code})
            await asyncio.sleep(RETRY_S)
        finally:
            self._active.discard(connection)
        if not connection.is_closed and not connection.is_full and _rooms_behind(connection):
            self.start(connection)

    async def _read_pages(self, connection: BehindConnection, room: Room) -> None:
        """Push pages until memory reaches far enough back, or enough data is unsent."""
        if (offset := room.behind.get(connection)) is not None:
            await self._memory.reach_back(room, offset)
        limit = _page_messages(room.opened.recent.frames)
        while connection in room.behind and _accepts_more(connection) and not self._go_live(connection, room):
            if room.opened.recent.after(room.behind[connection]) is None:
                limit = await self._read_messages(connection, room, limit)
            else:
                await self._read_changes(connection, room)

    async def _read_messages(self, connection: BehindConnection, room: Room, limit: int) -> int:
        """Push a page of at most `limit` messages; returns how many the next one should have."""
        after = room.behind[connection]
        async with self._pages:
            page = await self._history.page(room.room_id, limit, after=after)
        self._metrics.catch_up_pages.inc()
        if page.epoch != room.opened.epoch:
            connection.close(CloseCode.EPOCH_CHANGED)
        elif not page.frames:
            raise ChatError(Code.UNAVAILABLE, "History ends before the position that the room has reached.")
        elif room.behind.get(connection) == after and (right := room.set_right(page)) is not None:
            # not if it left the room meanwhile, and joined again
            received = room.opened.head - after  # messages beyond come live, once they are received here
            frames = [text_frame(payload) for payload in right[:received]]
            _push(connection, room, frames)
            return _page_messages(frames)
        return limit

    async def _read_changes(self, connection: BehindConnection, room: Room) -> None:
        """Push a page of changes: of messages that the connection holds, as far as this gateway has told them."""
        held, limit = room.held_by(connection), _page_messages(room.opened.recent.frames)
        async with self._pages:
            page = await self._history.changes(room.room_id, limit, after=held.rev, first=held.first)
        self._metrics.catch_up_pages.inc()
        if page.epoch != room.opened.epoch:
            connection.close(CloseCode.EPOCH_CHANGED)
        elif connection in room.behind and room.held_by(connection) == held:
            told, offset = room.rev, room.behind[connection]
            changed = [
                ChangedMessage(change.offset, change.rev, bytes(change.frame), b"")
                for change in page.changes
                if change.rev <= told and change.offset <= offset  # others follow, once they are told here
            ]
            _push_changes(connection, room, changed, min(page.through, told))


def _rooms_behind(connection: BehindConnection) -> list[Room]:
    member = connection.member
    return [room for room in member.rooms.values() if connection in room.behind] if member is not None else []


def _accepts_more(connection: BehindConnection) -> bool:
    return not connection.is_full or connection.socket.unsent_bytes < MAX_UNSENT_BYTES


def _page_messages(sample: Collection[bytes]) -> int:
    """Messages per page if they are as large as those of `sample`."""
    size_bytes = sum(map(len, sample)) // max(1, len(sample))
    return min(PAGE_MESSAGES, PAGE_BYTES // max(1, size_bytes))


def _push(connection: BehindConnection, room: Room, frames: Sequence[bytes]) -> None:
    """Write the next frames to a connection until enough data is unsent; note how far it is."""
    for chunk in _chunks(frames):
        if not _accepts_more(connection):
            return
        room.note_written(connection, len(chunk))
        connection.write(b"".join(chunk))


def _changed(connection: BehindConnection, room: Room) -> list[ChangedMessage] | None:
    """The changes that a connection lacks, of the messages that it holds; None if memory lacks some."""
    if room.changes is None:
        return []
    held = room.held_by(connection)
    return room.changes.since(held.rev, held.first, room.behind[connection])


def _push_changes(connection: BehindConnection, room: Room, changed: Sequence[ChangedMessage], through: int) -> None:
    """Write the changes up to rev `through` to a connection until enough data is unsent; note how far it is."""
    encoded = change_frames(room.name, room.held_by(connection).rev, changed, through, live=False)
    revs = iter([rev for rev, _ in encoded])
    for chunk in _chunks([frame for _, frame in encoded]):
        if not _accepts_more(connection):
            return
        *_, rev = islice(revs, len(chunk))
        room.note_told(connection, rev)
        connection.write(b"".join(chunk))


def _chunks(frames: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The same frames in order, in chunks of at most `CHUNK_BYTES`; a larger frame is a chunk of its own."""
    chunk: list[bytes] = []
    size_bytes = 0
    for frame in frames:
        if chunk and size_bytes + len(frame) > CHUNK_BYTES:
            yield chunk
            chunk, size_bytes = [], 0
        chunk.append(frame)
        size_bytes += len(frame)
    if chunk:
        yield chunk
