"""Keeps the verifier's revoked sessions up to date: from broker events, and from auth for missed ones."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatterbox.chassis.broker import Broker, BrokerError
from chatterbox.chassis.http.internal_http import why
from chatterbox.chassis.observability.incident import Incident
from chatterbox.chassis.tasks import background
from chatterbox.chassis.token_verifier import AuthClient, TokenVerifier
from chatterbox.wire.auth_api import Revocation
from chatterbox.wire.broker_events import CONTROL, SessionRevoked, decode_control
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.untrusted_json import UnreadableError

log = logging.getLogger("chatterbox.history.revocation_sync")

RELOAD_S = 5.0
"""Revocations are reloaded from auth this often (seconds): a lost event takes effect at most this much later."""
RETRY_S = 0.5
"""While auth is unavailable, they are requested this often (seconds)."""


class RevocationSync:
    """Until the revocations are loaded for the first time, `require_loaded` refuses every request."""

    def __init__(self, verifier: TokenVerifier, auth: AuthClient, broker: Broker) -> None:
        self._verifier = verifier
        self._auth = auth
        self._subscriber = broker.subscriber(self._on_payload, self._on_missed)
        self._reload_requested = asyncio.Event()
        self._is_loaded = False
        self._incident = Incident(log, down="revocations.unavailable", up="revocations.recovered")

    def require_loaded(self) -> None:
        """Raise `unavailable` until the revocations have been loaded."""
        if not self._is_loaded:
            raise ChatError(Code.UNAVAILABLE, retry_after_s=1.0)

    @asynccontextmanager
    async def following(self) -> AsyncIterator["RevocationSync"]:
        """Subscribe, load, and follow until the block ends. In this order no revocation is missed in between."""
        try:
            with contextlib.suppress(BrokerError):  # it reports missed payloads once it is back
                await self._subscriber.subscribe([CONTROL])
            await self._load()
            async with background(self._follow(), "history.revocation_sync"):
                yield self
        finally:
            await self._subscriber.close()

    async def _follow(self) -> None:
        while True:
            try:
                async with asyncio.timeout(RETRY_S if self._incident.is_open else RELOAD_S):
                    await self._reload_requested.wait()
            except TimeoutError:
                pass
            self._reload_requested.clear()
            await self._load()

    async def _load(self) -> None:
        try:
            revocations = await self._auth.revocations()
        except ChatError as problem:
            self._incident.fail(why(problem))
            return
        for revocation in revocations:
            self._verifier.revoke(revocation)
        self._is_loaded = True
        self._incident.recover()

    def _on_payload(self, channel: str, payload: bytes) -> None:  # noqa: ARG002 - the broker's interface
        try:
            event = decode_control(payload)
        except UnreadableError:
            return  # sent by a newer version
        if isinstance(event, SessionRevoked):
            self._verifier.revoke(Revocation(event.sid, event.expires))

    def _on_missed(self) -> None:
        self._reload_requested.set()
