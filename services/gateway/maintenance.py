"""What the gateway does by the clock: lost last messages, slow readers, expired tokens, idle rooms, revocations."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import NoReturn

from chatterbox.chassis.broker import Broker
from chatterbox.chassis.http.internal_http import why
from chatterbox.chassis.token_verifier import AuthClient, TokenVerifier
from chatterbox.wire.auth_api import LEEWAY_S, Revocation
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError
from services.gateway.connections.hub import Hub
from services.gateway.rooms.memberships import Memberships
from services.gateway.rooms.room_feed import RoomFeed

log = logging.getLogger("chatterbox.maintenance")

IDLE_ROOM_S = 60.0
WITHOUT_BROKER_S = 3.0
"""While the broker is away, auth is asked for ended sessions this often (seconds); a logout holds within 5 s."""
RELOAD_S = 60.0
"""And this often while it is not: auth itself may not have reached the broker."""
RETRY_S = 1.0
"""While auth is away as well (seconds)."""


class RevokedSessions:
    """Sessions that have ended: their sockets are closed here, their tokens refused."""

    def __init__(self, hub: Hub, verifier: TokenVerifier, auth: AuthClient, broker: Broker) -> None:
        self._hub = hub
        self._verifier = verifier
        self._auth = auth
        self._broker = broker
        self._loaded_s = float("-inf")
        self._doubt = asyncio.Event()
        self._auth_away = False

    def add(self, revocation: Revocation) -> None:
        self._verifier.revoke(revocation)
        self._hub.end_session(revocation.sid)

    def doubt(self) -> None:
        """Some may have been missed: ask auth for all of them."""
        self._loaded_s = float("-inf")
        self._doubt.set()

    async def load(self) -> None:
        """Ask auth; when it is away, they are due still."""
        asked_s, self._loaded_s = self._loaded_s, self._hub.clock()  # a doubt that comes meanwhile counts
        try:
            revocations = await self._auth.revocations()
        except ChatError as problem:
            self._loaded_s = min(asked_s, self._loaded_s)
            if not self._auth_away:
                log.warning("revocations.unavailable", extra={"why": why(problem)})
            self._auth_away = True
            return
        self._auth_away = False
        for revocation in revocations:
            self.add(revocation)

    async def run(self) -> NoReturn:
        """Keep the set whole, for ever."""
        while True:
            self._doubt.clear()
            if self._hub.clock() - self._loaded_s >= (RELOAD_S if self._broker.is_healthy else WITHOUT_BROKER_S):
                await self.load()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._doubt.wait(), RETRY_S)


def close_expired(hub: Hub, now_s: float) -> None:
    """Close every connection whose token has expired by `now_s`, seconds since 1970, and was not renewed."""
    for connection in tuple(hub.connections):
        if connection.claims is not None and connection.claims.exp + LEEWAY_S < now_s:
            connection.close(CloseCode.TOKEN_EXPIRED)


def close_stuck(hub: Hub, behind_s: float) -> None:
    """Cut off connections that are full and have taken nothing for `behind_s` seconds."""
    now_s = hub.clock()
    for connection in tuple(hub.connections):
        if connection.full_since_s is None:
            continue
        before_bytes = connection.delivered_seen_bytes
        connection.delivered_seen_bytes = connection.socket.delivered_bytes
        if connection.delivered_seen_bytes > before_bytes:
            connection.full_since_s = now_s
        elif now_s - connection.full_since_s >= behind_s:
            log.warning("connection.stuck", extra={"connection": connection.connection_id})
            connection.abort()


async def every_second(hub: Hub, behind_s: float, now_s: Callable[[], float]) -> NoReturn:
    """Keep time for connections, for ever; `now_s` is seconds since 1970."""
    while True:
        close_expired(hub, now_s())
        close_stuck(hub, behind_s)
        await asyncio.sleep(1)


async def compare_with_history(hub: Hub, feed: RoomFeed, memberships: Memberships, heads_s: float) -> NoReturn:
    """Compare heads and memberships every `heads_s` seconds and close rooms that nobody is in, for ever."""
    while True:
        await asyncio.sleep(heads_s)
        if hub.members and (revision := await feed.compare_heads()) is not None:
            await memberships.compare(revision)
        await feed.close_idle(hub.clock() - IDLE_ROOM_S)
