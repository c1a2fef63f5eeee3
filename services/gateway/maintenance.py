"""Periodic jobs: compare heads, close stalled connections, expired tokens and idle rooms, reload ended sessions."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import NoReturn

from chatterbox.chassis.broker import Broker
from chatterbox.chassis.http.internal_http import why
from chatterbox.chassis.observability.incident import Incident
from chatterbox.chassis.token_verifier import AuthClient, TokenVerifier
from chatterbox.wire.auth_api import LEEWAY_S, Revocation
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError
from services.gateway.connections.hub import Hub
from services.gateway.connections.slow_consumers import close_stalled
from services.gateway.metrics import GatewayMetrics
from services.gateway.rooms.memberships import Memberships
from services.gateway.rooms.room_feed import RoomFeed

log = logging.getLogger("chatterbox.maintenance")

IDLE_ROOM_S = 60.0
WITHOUT_BROKER_S = 3.0
"""Time between reloads of ended sessions while the broker is down (seconds); a logout takes effect within 5 s."""
RELOAD_S = 60.0
"""The same while it is up (seconds): auth itself may have failed to publish."""
RETRY_S = 1.0
"""The same while auth is down (seconds)."""


class RevokedSessions:
    """Closes the connections of ended sessions and makes their tokens invalid."""

    def __init__(
        self, hub: Hub, verifier: TokenVerifier, auth: AuthClient, broker: Broker, metrics: GatewayMetrics
    ) -> None:
        self._hub = hub
        self._verifier = verifier
        self._auth = auth
        self._broker = broker
        self._loaded_s = float("-inf")
        self._reload_requested = asyncio.Event()
        self._outage = Incident(log, down="revocations.unavailable", up="revocations.recovered")
        metrics.revocations.set_function(lambda: verifier.revocations)

    def add(self, revocation: Revocation) -> None:
        self._verifier.revoke(revocation)
        self._hub.end_session(revocation.sid)

    def request_reload(self) -> None:
        """Load all from auth soon: some may have been missed."""
        self._loaded_s = float("-inf")
        self._reload_requested.set()

    async def load(self) -> None:
        """Load all from auth; if auth is unavailable, they stay due."""
        before_s, self._loaded_s = self._loaded_s, self._hub.clock()  # a request during the call stays in effect
        try:
            revocations = await self._auth.revocations()
        except ChatError as problem:
            self._loaded_s = min(before_s, self._loaded_s)
            self._outage.fail(why(problem))
            return
        self._outage.recover()
        for revocation in revocations:
            self.add(revocation)

    async def run(self) -> NoReturn:
        """Keep the set complete until cancelled."""
        while True:
            self._reload_requested.clear()
            if self._hub.clock() - self._loaded_s >= (RELOAD_S if self._broker.is_healthy else WITHOUT_BROKER_S):
                await self.load()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._reload_requested.wait(), RETRY_S)


def close_expired(hub: Hub, now_s: float) -> None:
    """Close every connection whose token had expired by `now_s`, seconds since 1970, and was not renewed."""
    for connection in tuple(hub.connections):
        if connection.claims is not None and connection.claims.exp + LEEWAY_S < now_s:
            connection.close(CloseCode.TOKEN_EXPIRED)


async def every_second(hub: Hub, stalled_s: float, now_s: Callable[[], float]) -> NoReturn:
    """Close expired and stalled connections until cancelled; `now_s` is seconds since 1970."""
    while True:
        close_expired(hub, now_s())
        close_stalled(hub, stalled_s)
        await asyncio.sleep(1)


async def compare_with_history(hub: Hub, feed: RoomFeed, memberships: Memberships, heads_interval_s: float) -> NoReturn:
    """Every `heads_interval_s` seconds compare heads and memberships, and close idle rooms, until cancelled."""
    while True:
        await asyncio.sleep(heads_interval_s)
        if hub.members and (revision := await feed.compare_heads()) is not None:
            await memberships.compare(revision)
        await feed.close_idle(hub.clock() - IDLE_ROOM_S)
