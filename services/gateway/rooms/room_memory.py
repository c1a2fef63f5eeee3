"""Reads a room's newest messages into memory when a join or a catch-up first needs them: once, for all who wait.

Rooms open with an empty memory, so that a user with 1,000 rooms costs no page of each.
"""

import asyncio
from collections.abc import Callable

from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire.errors import ChatError, Code
from services.gateway.core.frame_writer import text_frame
from services.gateway.core.room_stream import EpochChangedError
from services.gateway.rooms.room import Room
from services.gateway.upstream.history_client import HistoryClient

READ_MESSAGES = 200
"""The newest messages that are read, at most; a gateway that keeps fewer reads as many as it keeps."""
CONCURRENT_READS = 8
"""Rooms whose messages are read at the same time: a crowd that resumes may need those of thousands."""


class RoomMemory:
    """Fills the memory of open rooms."""

    def __init__(self, history: HistoryClient, on_epoch_changed: Callable[[Room], None] = lambda _: None) -> None:
        """`on_epoch_changed` is called for a room that was restored from a backup."""
        self._history = history
        self._report_epoch_changed = on_epoch_changed
        self._reading: dict[Room, asyncio.Task[ChatError | None]] = {}
        self._pages = asyncio.Semaphore(CONCURRENT_READS)
        self._tasks = TaskSet()

    async def close(self) -> None:
        await self._tasks.close()

    async def reach_back(self, room: Room, offset: int) -> None:
        """Have every message after `offset` in memory, if they are among the newest `READ_MESSAGES`.

        Raises `ChatError` if history refuses.
        """
        stream = room.opened
        if offset + 1 >= stream.recent.first or offset < stream.head - _wanted(room):
            return
        reading = self._reading.get(room)
        if reading is None:
            reading = self._reading[room] = self._tasks.spawn(self._read(room))
        if (problem := await asyncio.shield(reading)) is not None:
            raise problem

    async def _read(self, room: Room) -> ChatError | None:
        """Returns history's refusal to each who waits, and does not raise it: it is no failure of this task."""
        try:
            while not await self._read_page(room):
                pass
        except EpochChangedError:
            self._report_epoch_changed(room)
            return ChatError(Code.UNAVAILABLE, "The room has just been restored. Reconnect.", retry_after_s=0.5)
        except ChatError as problem:
            return problem
        finally:
            self._reading.pop(room, None)
        return None

    async def _read_page(self, room: Room) -> bool:
        """Read what precedes the messages held; False: too much changed meanwhile, so it must be read again."""
        stream = room.opened
        async with self._pages:
            page = await self._history.page(room.room_id, _wanted(room), before=stream.recent.first)
        if page.epoch != stream.epoch:
            raise EpochChangedError
        if (payloads := room.set_right(page)) is None:
            return False
        told = room.rev
        ahead = {offset: rev for offset, rev in page.revs.items() if rev > told}
        stream.remember(page.epoch, page.first, [text_frame(payload) for payload in payloads], ahead)
        return True


def _wanted(room: Room) -> int:
    return min(READ_MESSAGES, room.opened.recent.limit)
