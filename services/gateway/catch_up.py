"""Bringing connections that are behind back to live, by position: from memory where it reaches, else from history.

The same way serves a client that resumes after an hour and one whose socket was full for a second. The last step,
from memory to live, happens within one turn of the event loop: nothing can come between.
"""

import asyncio
import logging

from chatterbox.wire.close import CloseCode
from chatterbox.wire.errors import ChatError, Code
from services.gateway.connection import Connection, State
from services.gateway.live_socket import text_frame
from services.gateway.metrics import GatewayMetrics
from services.gateway.room import Room
from services.gateway.store import HistoryClient

log = logging.getLogger("chatterbox.catch_up")

PAGE_MESSAGES = 200
RETRY_S = 1.0
"""Seconds until history is asked again after it could not answer."""
PAGES_AT_ONCE = 8
"""Pages that are read from history at the same time, for all connections together."""


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
        del room.behind[connection]
        room.live.add(connection)  # before the write: a socket that it fills takes the connection out again
        if missing:
            connection.write(b"".join(missing))
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
        if connection.state is not State.CLOSED and not connection.is_full and _behind(connection):
            self.start(connection)

    async def _read_up(self, connection: Connection, room: Room) -> None:
        """Send pages until memory reaches, or the socket is full."""
        while connection in room.behind and not connection.is_full and not self._go_live(connection, room):
            async with self._pages:
                page = await self._history.page(room.room_id, PAGE_MESSAGES, after=room.behind[connection])
            self._metrics.catch_up_pages.inc()
            if page.epoch != room.opened.epoch:
                connection.close(CloseCode.EPOCH_CHANGED)
            elif not page.frames:
                raise ChatError(Code.UNAVAILABLE, "History ends before the position that the room has reached.")
            elif connection in room.behind:
                room.behind[connection] = page.first + len(page.frames) - 1
                connection.write(b"".join(text_frame(bytes(frame)) for frame in page.frames))


def _behind(connection: Connection) -> list[Room]:
    member = connection.member
    return [room for room in member.rooms.values() if connection in room.behind] if member is not None else []
