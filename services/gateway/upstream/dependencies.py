"""What a gateway stands on, and whether it answers: asked where nothing else tells, told by `/health/ready`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from chatterbox.chassis.broker import Broker
from chatterbox.chassis.http.internal_http import UnavailableError, why
from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire.errors import ChatError
from services.gateway.upstream.broker_watchdog import BrokerWatchdog
from services.gateway.upstream.history_client import HistoryClient

log = logging.getLogger("chatterbox.dependencies")

ASK_S = 1.0
ASK_AUTH_S = 5.0
"""Auth is asked less often (seconds): without it everything goes on but logging in."""
FORGIVEN_S = 1.5
"""A part that should have answered so long ago is away (seconds)."""


class Dependency:
    """One thing that the gateway needs; `ask` raises `ChatError` while it does not answer."""

    def __init__(
        self,
        name: str,
        ask: Callable[[], Awaitable[object]],
        clock: Callable[[], float],
        *,
        ask_s: float = ASK_S,
        is_known_away: Callable[[], bool] = lambda: False,
        last_seen_s: Callable[[], float] = lambda: float("-inf"),
    ) -> None:
        """It is asked every `ask_s` seconds, but where it was seen to answer something else in the latter half of them.

        `is_known_away` says so without any wait, whatever `ask` was answered; `last_seen_s` is by `clock`.
        """
        self.name = name
        self._ask = ask
        self._clock = clock
        self._ask_s = ask_s
        self._is_known_away = is_known_away
        self._last_seen_s = last_seen_s
        self._asked_s = float("-inf")
        """When it last answered that it was asked."""
        self._told = ""
        """Why it is away, as the log has it; nothing while it is not."""

    @property
    def is_away(self) -> bool:
        return self._is_known_away() or self._silent_s > 1.5 * self._ask_s + FORGIVEN_S

    @property
    def _silent_s(self) -> float:
        return self._clock() - max(self._asked_s, self._last_seen_s())

    async def watch(self) -> NoReturn:
        """Ask it, for ever."""
        while True:
            problem = await self._problem() if self._silent_s > self._ask_s / 2 else ""
            self._tell(problem)
            await asyncio.sleep(ASK_S if problem else self._ask_s)

    async def _problem(self) -> str:
        """Ask; returns why there was no answer."""
        try:
            await self._ask()
        except ChatError as refusal:
            return why(refusal)
        self._asked_s = self._clock()
        return ""

    def _tell(self, problem: str) -> None:
        """Once for each reason, not once a second."""
        if self.is_away and problem != self._told:
            self._told = problem
            log.warning("dependency.down", extra={"part": self.name, "why": problem})
        elif self._told and not self.is_away:
            self._told = ""
            log.warning("dependency.recovered", extra={"part": self.name})


class Dependencies:
    """Broker, auth and history as this gateway finds them."""

    def __init__(
        self,
        broker: Broker,
        verifier: TokenVerifier,
        history: HistoryClient,
        clock: Callable[[], float],
        hearing: BrokerWatchdog,
    ) -> None:
        async def hear() -> None:
            if not broker.is_healthy:
                raise UnavailableError("it can't be heard; see broker.disconnected")
            if hearing.is_mute:
                raise UnavailableError("it takes nothing; see broker.publish_failed")

        self._verifier = verifier
        self._broker = Dependency("broker", hear, clock, is_known_away=lambda: hearing.is_deaf)
        # Auth is asked for its keys, so that they are here before it may go away.
        self._auth = Dependency("auth", verifier.refresh, clock, ask_s=ASK_AUTH_S)
        self._history = Dependency("history", lambda: history.heads([]), clock, last_seen_s=lambda: history.answered_s)
        self.all = (self._broker, self._auth, self._history)

    @property
    def can_serve(self) -> bool:
        """Auth may be away: who has a token gets in, once its keys are known."""
        return not self._broker.is_away and not self._history.is_away and self._verifier.has_keys

    def report(self) -> dict[str, str]:
        """`ok` or `away` for each part."""
        return {part.name: "away" if part.is_away else "ok" for part in self.all}
