"""Bringing connections that are behind back to live, by position: from memory where it reaches, else from history.

The same way serves a client that resumes after an hour and one whose socket was full for a second. The last step,
from memory to live, happens within one turn of the event loop: nothing can come between.
"""

import asyncio
import logging
from collections.abc import Collection, Iterator, Sequence

from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError, Code
from services.gateway.connections.connection import Connection, ConnectionState
from services.gateway.core.frame_writer import text_frame
from services.gateway.metrics import GatewayMetrics
from services.gateway.rooms.room import Room
from services.gateway.upstream.history_client import HistoryClient

log = logging.getLogger("chatterbox.catch_up")

PAGE_MESSAGES = 200
"""The most that are read at once."""
PAGE_BYTES = 262_144
"""About as much is read at once where messages are large: more than is pushed would be read again."""
RETRY_S = 1.0
"""Seconds until history is asked again after it could not answer."""
PAGES_AT_ONCE = 8
"""Pages that are read from history at the same time, for all connections together."""
PIECE_BYTES = 32_768
"""Written at once."""
UNSENT_BYTES = 262_144
"""So much may wait for a socket, and a piece: with a page at hand its kernel would take only a part of it at once."""


class CatchUp:
    """Catches connections up."""

    def __init__(self, history: HistoryClient, metrics: GatewayMetrics | None = None) -> None:
        self._history = history
        self._metrics = metrics or GatewayMetrics()
        self._pages = asyncio.Semaphore(PAGES_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, connection: Connection) -> None:
        """Bring every room of `connection` to live, unless that is under way or its socket is full."""
        if connection.catching_up or self._from_memory(connection):
            return
        connection.catching_up = True
        task = asyncio.get_running_loop().create_task(self._from_history(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _from_memory(self, connection: Connection) -> bool:
        """Whether nothing is left to do now: all rooms live, or the socket full (it calls again when it isn't)."""
        return all(connection.is_full or self._go_live(connection, room) for room in _behind(connection))

    def _go_live(self, connection: Connection, room: Room) -> bool:
        room.flush()
        missing = room.opened.recent.after(room.behind[connection])
        if missing is None:
            return False
        _push(connection, room, missing)
        if not connection.is_full:  # then nothing is left to be pushed
            room.go_live(connection)
            room.tell_topic(connection)
        return True

    async def _from_history(self, connection: Connection) -> None:
        try:
            for room in _behind(connection):
                await self._read_up(connection, room)
        except ChatError as problem:
            log.warning("catch_up.failed", extra={"connection": connection.connection_id, "code": problem.code})
            await asyncio.sleep(RETRY_S)
        finally:
            connection.catching_up = False
        if connection.state is not ConnectionState.CLOSED and not connection.is_full and _behind(connection):
            self.start(connection)

    async def _read_up(self, connection: Connection, room: Room) -> None:
        """Send pages until memory reaches, or enough waits for the socket."""
        most = _page_messages(room.opened.recent.frames)
        while connection in room.behind and _takes_more(connection) and not self._go_live(connection, room):
            after = room.behind[connection]
            async with self._pages:
                page = await self._history.page(room.room_id, most, after=after)
            self._metrics.catch_up_pages.inc()
            if page.epoch != room.opened.epoch:
                connection.close(CloseCode.EPOCH_CHANGED)
            elif not page.frames:
                raise ChatError(Code.UNAVAILABLE, "History ends before the position that the room has reached.")
            elif room.behind.get(connection) == after:  # it may have left the room meanwhile, and joined again
                reached = room.opened.head - after  # what history has beyond comes live, once it has come here
                frames = [text_frame(bytes(frame)) for frame in page.frames[:reached]]
                _push(connection, room, frames)
                most = _page_messages(frames)


def _behind(connection: Connection) -> list[Room]:
    member = connection.member
    return [room for room in member.rooms.values() if connection in room.behind] if member is not None else []


def _takes_more(connection: Connection) -> bool:
    return not connection.is_full or connection.socket.unsent_bytes < UNSENT_BYTES


def _page_messages(like: Collection[bytes]) -> int:
    """How many messages to read at once, if they are as large as these."""
    size_bytes = sum(map(len, like)) // max(1, len(like))
    return min(PAGE_MESSAGES, PAGE_BYTES // max(1, size_bytes))


def _push(connection: Connection, room: Room, frames: Sequence[bytes]) -> None:
    """Write the frames that follow what a connection was sent, until enough waits; note how far that is."""
    for piece in _pieces(frames):
        if not _takes_more(connection):
            return
        room.behind[connection] += len(piece)
        connection.write(b"".join(piece))


def _pieces(frames: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The same frames in order, in pieces of `PIECE_BYTES` or of one frame that is larger."""
    piece: list[bytes] = []
    size_bytes = 0
    for frame in frames:
        if piece and size_bytes + len(frame) > PIECE_BYTES:
            yield piece
            piece, size_bytes = [], 0
        piece.append(frame)
        size_bytes += len(frame)
    if piece:
        yield piece
