"""What a gateway stands on, and whether it answers: asked once a second, told by `/health/ready`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from chatterbox.chassis.broker import Broker
from chatterbox.chassis.calls import UnavailableError, why
from chatterbox.chassis.identity import Verifier
from chatterbox.wire.errors import ChatError
from services.gateway.hearing import Hearing
from services.gateway.store import HistoryClient

log = logging.getLogger("chatterbox.parts")

ASK_S = 1.0
AWAY_S = 3.0
"""A part that has not answered for so long is away (seconds)."""


class Part:
    """One thing that the gateway needs; `ask` raises `ChatError` while it does not answer."""

    def __init__(
        self,
        name: str,
        ask: Callable[[], Awaitable[object]],
        clock: Callable[[], float],
        is_known_away: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_known_away` says so without any wait, whatever `ask` was answered."""
        self.name = name
        self._ask = ask
        self._clock = clock
        self._is_known_away = is_known_away
        self._answered_s = float("-inf")
        self._told = ""
        """Why it is away, as the log has it; nothing while it is not."""

    @property
    def is_away(self) -> bool:
        return self._is_known_away() or self._clock() - self._answered_s > AWAY_S

    async def watch(self) -> NoReturn:
        """Ask it, for ever."""
        while True:
            problem = ""
            try:
                await self._ask()
                self._answered_s = self._clock()
            except ChatError as refusal:
                problem = why(refusal)
            self._tell(problem)
            await asyncio.sleep(ASK_S)

    def _tell(self, problem: str) -> None:
        """Once for each reason, not once a second."""
        if self.is_away and problem != self._told:
            self._told = problem
            log.warning("part.away", extra={"part": self.name, "why": problem})
        elif self._told and not self.is_away:
            self._told = ""
            log.warning("part.back", extra={"part": self.name})


class Parts:
    """Broker, auth and history as this gateway finds them."""

    def __init__(
        self,
        broker: Broker,
        verifier: Verifier,
        history: HistoryClient,
        clock: Callable[[], float],
        hearing: Hearing,
    ) -> None:
        async def hear() -> None:
            if not broker.is_whole:
                raise UnavailableError("it can't be heard; see broker.away")
            if hearing.is_mute:
                raise UnavailableError("it takes nothing; see canary.untaken")

        self._verifier = verifier
        self._broker = Part("broker", hear, clock, is_known_away=lambda: hearing.is_deaf)
        self._auth = Part("auth", verifier.refresh, clock)  # so the keys are here before auth may go away
        self._history = Part("history", lambda: history.heads([]), clock)
        self.all = (self._broker, self._auth, self._history)

    @property
    def can_serve(self) -> bool:
        """Auth may be away: who has a token gets in, once its keys are known."""
        return not self._broker.is_away and not self._history.is_away and self._verifier.has_keys

    def report(self) -> dict[str, str]:
        """`ok` or `away` for each part."""
        return {part.name: "away" if part.is_away else "ok" for part in self.all}
