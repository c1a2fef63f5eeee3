"""What time and ended login sessions do to devices: they end, fall asleep, and are forgotten after their removal."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import NoReturn

from chatterbox.wire.errors import ChatError
from services.history.encryption.device_store import DeviceStore

log = logging.getLogger("chatterbox.history.device_upkeep")

SESSIONS_AT_ONCE = 5_000
"""Ended sessions that are looked up together: a few milliseconds of a reader."""
RETRY_S = 1.0
"""Time until ended sessions are tried again after a failure (seconds)."""
INTERVAL_S = 3600.0
"""Time between checks for devices that sleep or are to be forgotten (seconds)."""
PAUSE_S = 0.05
"""Time between two transactions, as in room cleanup (seconds)."""
DAY_MS = 24 * 3600 * 1000
REMOVED_DAYS = 7
"""How long removed devices are kept: their messages are still read, and those in the inbox of a dehydrated device."""


class DeviceUpkeep:
    """Ends devices as soon as their session ended, and checks hourly for those that were not seen for long."""

    def __init__(self, store: DeviceStore, asleep_days: float, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._asleep_ms = int(asleep_days * DAY_MS)
        self._now_ms = now_ms
        self._ended: dict[str, None] = {}  # bounded: by the revocations that are known, which the verifier holds, too
        self._wake = asyncio.Event()

    def note_ended(self, sids: Collection[str]) -> None:
        """These login sessions ended. Never blocks."""
        self._ended.update(dict.fromkeys(sids))
        self._wake.set()

    async def run_sessions(self) -> NoReturn:
        """End devices until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._ended:
                sids = list(self._ended)[:SESSIONS_AT_ONCE]
                if await self._try(lambda sids=sids: self._store.end_sessions(sids)):  # type: ignore[misc]
                    for sid in sids:
                        self._ended.pop(sid, None)
                else:
                    await asyncio.sleep(RETRY_S)

    async def run_checks(self) -> NoReturn:
        """Check until cancelled. What a failure leaves is done next time."""
        while True:
            await self._try(self._check)
            await asyncio.sleep(INTERVAL_S)

    async def _check(self) -> None:
        asleep_ms, forgotten_ms = self._now_ms() - self._asleep_ms, self._now_ms() - REMOVED_DAYS * DAY_MS
        await self._repeat(lambda: self._store.let_sleep(asleep_ms))
        await self._repeat(lambda: self._store.forget_removed(forgotten_ms))

    async def _repeat(self, change: Callable[[], Awaitable[int]]) -> None:
        while await change():  # noqa: ASYNC110 - it does something each time
            await asyncio.sleep(PAUSE_S)

    async def _try(self, change: Callable[[], Awaitable[object]]) -> bool:
        try:
            await change()
        except ChatError as problem:
            log.warning("device_upkeep.failed", extra={"code": problem.code})
            return False
        return True
