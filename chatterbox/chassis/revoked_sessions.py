"""Revoked sessions as a service knows them: from broker events, and from auth's list for missed ones.

The list is numbered. A service keeps its position and requests only what came after it, page by page.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import NoReturn, Protocol

from chatterbox.chassis.broker import Broker, BrokerError
from chatterbox.chassis.http.internal_http import why
from chatterbox.chassis.observability.incident import Incident
from chatterbox.chassis.tasks import background
from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire.auth_api import Revocations
from chatterbox.wire.broker_events import CONTROL, SessionRevoked, decode_control
from chatterbox.wire.errors import ChatError
from chatterbox.wire.untrusted_json import UnreadableError

log = logging.getLogger("chatterbox.revoked_sessions")

WITHOUT_BROKER_S = 3.0
"""Time between requests while the broker is down (seconds); a logout takes effect within 5 s."""
PER_TURN = 5_000
"""Revocations of a page that are added per event-loop iteration."""
RETRY_S = 0.5
"""Time between requests for the list while auth is down (seconds)."""


class RevocationList(Protocol):
    """Auth's list of revocations; raises `ChatError` while auth is unavailable. `AuthClient` implements it."""

    async def revocations(self, epoch: str, since: int) -> Revocations: ...


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
        on_ended: Callable[[Collection[str]], object] = lambda _: None,
    ) -> None:
        """`reload_s` is the time between requests while the broker is up: auth itself may have failed to publish.

        `clock` is monotonic seconds; `on_ended` gets the ids of sessions that have ended.
        """
        self._verifier = verifier
        self._auth = auth
        self._broker = broker
        self._reload_s = reload_s
        self._clock = clock
        self._on_ended = on_ended
        self._epoch, self._upto = "", 0
        """The position in auth's list up to which everything is known."""
        self._lists = 0
        """Lists begun: the first one repeats nothing that is known, except events."""
        self._loaded_s = float("-inf")
        self._reload_requested = asyncio.Event()
        self._outage = Incident(log, down="revocations.unavailable", up="revocations.recovered")
        verifier.await_revocations()

    def add(self, sids: Collection[str], *, are_new: bool = False) -> None:
        self._verifier.revoke(sids, are_new=are_new)
        self._on_ended(sids)

    def request_reload(self) -> None:
        """Load what is new from auth soon: some events may have been missed."""
        self._loaded_s = float("-inf")
        self._reload_requested.set()

    async def load(self) -> None:
        """Load what auth's list has after our position; if auth is unavailable, the rest stays due."""
        before_s, self._loaded_s = self._loaded_s, self._clock()  # a request during the call stays in effect
        try:
            while not await self._load_page():
                pass
        except ChatError as problem:
            self._loaded_s = min(before_s, self._loaded_s)
            self._outage.fail(why(problem))
            return
        self._verifier.accept_tokens()
        self._outage.recover()

    async def _load_page(self) -> bool:
        """Load the next page; returns whether it is the last one. After a restart of auth it is the first one."""
        page = await self._auth.revocations(self._epoch, self._upto)
        if page.epoch != self._epoch:
            self._lists += 1
        are_new = self._lists == 1 and not self._verifier.knows_revocations
        for start in range(0, len(page.sids), PER_TURN):
            self.add(page.sids[start : start + PER_TURN], are_new=are_new)
            await asyncio.sleep(0)
        self._epoch, self._upto = page.epoch, page.upto
        return page.is_last

    async def run(self) -> NoReturn:
        """Keep the revocations complete until cancelled, and forget those that no token can belong to any more."""
        while True:
            self._verifier.forget_revocations()
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
            self.add([event.sid])
