"""What a gateway stands on, and whether it answers: asked once a second, told by `/health/ready`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from chatterbox.chassis.broker import Broker
from chatterbox.chassis.identity import Verifier
from chatterbox.wire.errors import ChatError, Code
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
        self._was_away = False

    @property
    def is_away(self) -> bool:
        return self._is_known_away() or self._clock() - self._answered_s > AWAY_S

    async def watch(self) -> NoReturn:
        """Ask it, for ever."""
        while True:
            try:
                await self._ask()
                self._answered_s = self._clock()
            except ChatError:
                pass
            self._tell()
            await asyncio.sleep(ASK_S)

    def _tell(self) -> None:
        if self.is_away is not self._was_away:
            self._was_away = self.is_away
            log.warning("part.away" if self._was_away else "part.back", extra={"part": self.name})


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
            if hearing.is_mute or not broker.is_whole:
                raise ChatError(Code.UNAVAILABLE)

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
