"""Background cleanup of rooms: deletes the messages of deleted rooms."""

import asyncio
import logging
from typing import NoReturn

from chatterbox.wire.errors import ChatError
from services.history.messages.writer import Writer
from services.history.rooms import room_deletion

log = logging.getLogger("chatterbox.history.room_cleanup")

INTERVAL_S = 3600.0
"""Time between cleanups, unless one is requested (seconds)."""
PAUSE_S = 0.05
"""Time between two transactions, so that cleanup takes at most a tenth of the writer's time (seconds)."""


class RoomCleanup:
    """Cleans up at the start, hourly, and when requested."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._wake = asyncio.Event()

    def request(self) -> None:
        """Clean up soon: a room was deleted."""
        self._wake.set()

    async def run(self) -> NoReturn:
        """Clean up until cancelled. What a failure leaves is cleaned up next time."""
        while True:
            self._wake.clear()
            try:
                await self._clean()
            except ChatError as problem:
                log.warning("room_cleanup.failed", extra={"code": problem.code})
            try:
                async with asyncio.timeout(INTERVAL_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _clean(self) -> None:
        is_done = False
        while not is_done:
            is_done = not await self._writer.change(room_deletion.delete_messages)
            await asyncio.sleep(PAUSE_S)
