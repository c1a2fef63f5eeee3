"""Revoked sessions as a service knows them: from broker events, and from auth's list for missed ones."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NoReturn, Protocol

from chatterbox.chassis.broker import Broker, BrokerError
from chatterbox.chassis.http.internal_http import why
from chatterbox.chassis.observability.incident import Incident
from chatterbox.chassis.tasks import background
from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire.auth_api import Revocation
from chatterbox.wire.broker_events import CONTROL, SessionRevoked, decode_control
from chatterbox.wire.errors import ChatError
from chatterbox.wire.untrusted_json import UnreadableError

log = logging.getLogger("chatterbox.revoked_sessions")

WITHOUT_BROKER_S = 3.0
"""Time between reloads while the broker is down (seconds); a logout takes effect within 5 s."""
RETRY_S = 0.5
"""Time between requests for the list while auth is down (seconds)."""


class RevocationList(Protocol):
    """Auth's list of revocations; raises `ChatError` while auth is unavailable. `AuthClient` implements it."""

    async def revocations(self) -> list[Revocation]: ...


class RevokedSessions:
    """Makes the tokens of ended sessions invalid. Until the first list is loaded, the verifier accepts no token.

    Either `following` receives the broker's events, or the owner of another subscription calls `add` and
    `request_reload`, and awaits `load` and `run`.
    """

    def __init__(
        self,
        verifier: TokenVerifier,
        auth: RevocationList,
        broker: Broker,
        *,
        reload_s: float,
        clock: Callable[[], float] = time.monotonic,
        on_ended: Callable[[str], object] = lambda _: None,
    ) -> None:
        """`reload_s` is the time between reloads while the broker is up: auth itself may have failed to publish.

        `clock` is monotonic seconds; `on_ended` gets the id of each session that has ended.
        """
        self._verifier = verifier
        self._auth = auth
        self._broker = broker
        self._reload_s = reload_s
        self._clock = clock
        self._on_ended = on_ended
        self._loaded_s = float("-inf")
        self._reload_requested = asyncio.Event()
        self._outage = Incident(log, down="revocations.unavailable", up="revocations.recovered")
        verifier.await_revocations()

    def add(self, revocation: Revocation) -> None:
        self._verifier.revoke(revocation)
        self._on_ended(revocation.sid)

    def request_reload(self) -> None:
        """Load the list from auth soon: some events may have been missed."""
        self._loaded_s = float("-inf")
        self._reload_requested.set()

    async def load(self) -> None:
        """Load the list from auth; if auth is unavailable, it stays due."""
        before_s, self._loaded_s = self._loaded_s, self._clock()  # a request during the call stays in effect
        try:
            revocations = await self._auth.revocations()
        except ChatError as problem:
            self._loaded_s = min(before_s, self._loaded_s)
            self._outage.fail(why(problem))
            return
        for revocation in revocations:
            self.add(revocation)
        self._verifier.accept_tokens()
        self._outage.recover()

    async def run(self) -> NoReturn:
        """Keep the revocations complete until cancelled."""
        while True:
            self._reload_requested.clear()
            if self._clock() - self._loaded_s >= (self._reload_s if self._broker.is_healthy else WITHOUT_BROKER_S):
                await self.load()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._reload_requested.wait(), RETRY_S)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Subscribe, load, and follow until the block ends. In this order no revocation is missed in between."""
        subscriber = self._broker.subscriber(self._on_payload, self.request_reload)
        try:
            with contextlib.suppress(BrokerError):  # it reports missed payloads once it is back
                await subscriber.subscribe([CONTROL])
            await self.load()
            async with background(self.run(), "revoked_sessions"):
                yield
        finally:
            await subscriber.close()

    def _on_payload(self, channel: str, payload: bytes) -> None:  # noqa: ARG002 - the broker's interface
        try:
            event = decode_control(payload)
        except UnreadableError:
            return  # sent by a newer version
        if isinstance(event, SessionRevoked):
            self.add(Revocation(event.sid, event.expires))
