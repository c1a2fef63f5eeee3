"""Keeps the verifier told of sessions that have ended: from the broker at once, from auth for what it missed."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatterbox.chassis.broker import Broker, BrokerError
from chatterbox.chassis.http.internal_http import why
from chatterbox.chassis.tasks import background
from chatterbox.chassis.token_verifier import AuthClient, TokenVerifier
from chatterbox.wire.auth_api import Revocation
from chatterbox.wire.broker_events import CONTROL, SessionRevoked, decode_control
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.untrusted_json import UnreadableError

log = logging.getLogger("chatterbox.history.revocation_sync")

RELOAD_S = 5.0
"""Auth is asked again after so long, whatever the broker says: so a lost event is late by this much at most."""
RETRY_S = 0.5
"""While auth is away, it is asked this often (seconds)."""


class RevocationSync:
    """Until it could ask auth once it knows nothing, and `require_known` lets nobody in."""

    def __init__(self, verifier: TokenVerifier, auth: AuthClient, broker: Broker) -> None:
        self._verifier = verifier
        self._auth = auth
        self._subscriber = broker.subscriber(self._on_payload, self._on_doubt)
        self._doubt = asyncio.Event()
        self._known = False
        self._away = ""
        """Why auth can't be asked now."""

    def require_known(self) -> None:
        """Raises `unavailable` while it is not known which sessions have ended."""
        if not self._known:
            raise ChatError(Code.UNAVAILABLE, retry_after_s=1.0)

    @asynccontextmanager
    async def following(self) -> AsyncIterator["RevocationSync"]:
        """Listen first, then load: what is revoked in between comes both ways."""
        try:
            with contextlib.suppress(BrokerError):  # it is in doubt when it is back; until then auth is asked anyway
                await self._subscriber.subscribe([CONTROL])
            await self._load()
            async with background(self._follow(), "history.ended_sessions"):
                yield self
        finally:
            await self._subscriber.close()

    async def _follow(self) -> None:
        while True:
            try:
                async with asyncio.timeout(RETRY_S if self._away else RELOAD_S):
                    await self._doubt.wait()
            except TimeoutError:
                pass
            self._doubt.clear()
            await self._load()

    async def _load(self) -> None:
        try:
            revocations = await self._auth.revocations()
        except ChatError as problem:
            if why(problem) != self._away:
                log.warning("revocations.unavailable", extra={"why": why(problem)})
            self._away = why(problem)
            return
        for revocation in revocations:
            self._verifier.revoke(revocation)
        self._known = True
        self._away = ""

    def _on_payload(self, channel: str, payload: bytes) -> None:  # noqa: ARG002 - the broker's interface
        try:
            event = decode_control(payload)
        except UnreadableError:
            return  # an event of a newer version
        if isinstance(event, SessionRevoked):
            self._verifier.revoke(Revocation(event.sid, event.expires))

    def _on_doubt(self) -> None:
        self._doubt.set()
