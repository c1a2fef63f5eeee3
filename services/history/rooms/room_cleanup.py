"""Background cleanup: rooms that everybody left long ago, messages of deleted rooms, old invitations, unused files
and sessions.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from chatterbox.wire.errors import ChatError
from services.history.attachments import file_changes
from services.history.encryption.delivery import session_shares
from services.history.messages.write_transaction import WriteTransaction
from services.history.messages.writer import Writer
from services.history.rooms import room_deletion, room_invitations

log = logging.getLogger("chatterbox.history.room_cleanup")

INTERVAL_S = 3600.0
"""Time between cleanups, unless one is requested (seconds)."""
HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
PAUSE_S = 0.05
"""Time between two transactions, so that cleanup takes at most a tenth of the writer's time (seconds)."""


class RoomCleanup:
    """Cleans up at the start, hourly, and when requested."""

    def __init__(self, writer: Writer, empty_room_days: float, now_ms: Callable[[], int]) -> None:
        """`empty_room_days`: how long a room with messages is kept after its last member left."""
        self._writer = writer
        self._empty_room_ms = int(empty_room_days * DAY_MS)
        self._now_ms = now_ms
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
        before_ms = self._now_ms() - self._empty_room_ms
        await self._repeat(lambda transaction: room_deletion.delete_empty(transaction, before_ms))
        await self._repeat(room_deletion.delete_messages)
        expired_ms = self._now_ms() - room_invitations.KEPT_DAYS * DAY_MS
        await self._repeat(lambda transaction: room_invitations.expire(transaction, expired_ms))
        unbound_ms = self._now_ms() - file_changes.UNBOUND_HOURS * HOUR_MS
        await self._repeat(lambda transaction: file_changes.expire(transaction, unbound_ms))
        unused_ms = self._now_ms() - session_shares.KEPT_DAYS * DAY_MS
        await self._repeat(lambda transaction: session_shares.forget_unused(transaction, unused_ms))

    async def _repeat(self, change: Callable[[WriteTransaction], Awaitable[bool]]) -> None:
        """Run `change` again and again until it finds nothing to do."""
        is_done = False
        while not is_done:
            is_done = not await self._writer.change(change)
            await asyncio.sleep(PAUSE_S)
