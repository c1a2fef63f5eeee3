"""Periodic jobs: compare heads, close stalled connections, expired tokens and idle rooms."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import NoReturn

from chatterbox.chassis.observability.rate_limited_log import RateLimitedLog
from chatterbox.wire.auth_api import is_expired
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError
from services.gateway.connections.hub import Hub
from services.gateway.connections.slow_consumers import close_stalled
from services.gateway.rooms.memberships import Memberships
from services.gateway.rooms.room_feed import RoomFeed
from services.gateway.upstream.history_client import HistoryClient

log = logging.getLogger("chatterbox.maintenance")

IDLE_ROOM_S = 60.0
REVISION_INTERVAL_S = 0.5


def close_expired(hub: Hub, now_s: float) -> None:
    """Close every connection whose token had expired by `now_s`, seconds since 1970, and was not renewed."""
    for connection in tuple(hub.connections):
        if connection.claims is not None and is_expired(connection.claims.exp, now_s):
            connection.close(CloseCode.TOKEN_EXPIRED)


async def every_second(hub: Hub, stalled_s: float, now_s: Callable[[], float]) -> NoReturn:
    """Close expired and stalled connections until cancelled; `now_s` is seconds since 1970."""
    stalled = RateLimitedLog(log, "connection.stalled")
    while True:
        close_expired(hub, now_s())
        close_stalled(hub, stalled_s, stalled)
        await asyncio.sleep(1)


async def follow_revision(hub: Hub, history: HistoryClient, memberships: Memberships) -> NoReturn:
    """Ask history for the membership revision twice a second until cancelled.

    A member who was removed, or whose room was deleted, receives nothing more within a second although the broker lost
    the event.
    """
    while True:
        await asyncio.sleep(REVISION_INTERVAL_S)
        if hub.members:
            with contextlib.suppress(ChatError):  # `compare_with_history` logs it
                await memberships.expect(await history.revision())


async def compare_with_history(hub: Hub, feed: RoomFeed, memberships: Memberships, heads_interval_s: float) -> NoReturn:
    """Every `heads_interval_s` seconds compare heads and memberships, and close idle rooms, until cancelled."""
    while True:
        await asyncio.sleep(heads_interval_s)
        if hub.members and (revision := await feed.compare_heads()) is not None:
            await memberships.compare(revision)
        await feed.close_idle(hub.clock() - IDLE_ROOM_S)
