"""What the gateway does by the clock: lost last messages, slow readers, expired tokens, idle rooms, revocations."""

import asyncio
import logging
from typing import NoReturn

from chatterbox.chassis.identity import AuthClient, Verifier
from chatterbox.wire.errors import ChatError
from chatterbox.wire.tokens import LEEWAY_S, Revocation
from services.gateway.feed import Feed
from services.gateway.greeting import close_expired
from services.gateway.hub import Hub
from services.gateway.memberships import Memberships

log = logging.getLogger("chatterbox.upkeep")

IDLE_ROOM_S = 60.0


class Revoked:
    """Sessions that have ended: their sockets are closed here, their tokens refused."""

    def __init__(self, hub: Hub, verifier: Verifier, auth: AuthClient) -> None:
        self._hub = hub
        self._verifier = verifier
        self._auth = auth
        self._is_whole = False

    def add(self, revocation: Revocation) -> None:
        self._verifier.revoke(revocation)
        self._hub.end_session(revocation.sid)

    def doubt(self) -> None:
        """Some may have been missed: ask auth for all of them."""
        self._is_whole = False

    async def load(self) -> None:
        """Ask auth, if need be; when it is away, the next call tries again."""
        if self._is_whole:
            return
        try:
            revocations = await self._auth.revocations()
        except ChatError as problem:
            log.warning("revocations.unknown", extra={"code": problem.code})
            return
        for revocation in revocations:
            self.add(revocation)
        self._is_whole = True


def close_stuck(hub: Hub, behind_s: float) -> None:
    """Cut off connections of which nothing unsent has gone out for `behind_s` seconds."""
    now_s = hub.clock()
    for connection in tuple(hub.connections):
        if connection.full_since_s is None:
            continue
        if connection.socket.unsent < connection.unsent_seen:
            connection.full_since_s = now_s
            connection.unsent_seen = connection.socket.unsent
        elif now_s - connection.full_since_s >= behind_s:
            log.warning("connection.stuck", extra={"connection": connection.connection_id})
            connection.abort()


async def every_second(hub: Hub, revoked: Revoked, behind_s: float) -> NoReturn:
    """Keep time for connections, for ever."""
    while True:
        await revoked.load()
        close_expired(hub, LEEWAY_S)
        close_stuck(hub, behind_s)
        await asyncio.sleep(1)


async def compare_with_history(hub: Hub, feed: Feed, memberships: Memberships, heads_s: float) -> NoReturn:
    """Compare heads and memberships every `heads_s` seconds and close rooms that nobody is in, for ever."""
    while True:
        await asyncio.sleep(heads_s)
        if hub.members and (revision := await feed.compare_heads()) is not None:
            await memberships.compare(revision)
        await feed.close_idle(hub.clock() - IDLE_ROOM_S)
