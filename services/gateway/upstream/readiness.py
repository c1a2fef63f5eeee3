"""Readiness checks for broker, auth and history; skipped while normal traffic proves them up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NoReturn

from chatterbox.chassis.broker import Broker
from chatterbox.chassis.http.internal_http import UnavailableError, why
from chatterbox.chassis.observability.incident import Incident
from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire.errors import ChatError
from services.gateway.metrics import DependencyName, GatewayMetrics
from services.gateway.upstream.broker_watchdog import BrokerWatchdog
from services.gateway.upstream.history_client import HistoryClient

log = logging.getLogger("chatterbox.dependencies")

CHECK_S = 1.0
"""Time between checks (seconds)."""
CHECK_AUTH_S = 5.0
"""The same for auth (seconds): without it only logins fail."""
GRACE_S = 1.5
"""A dependency is down when a due answer is this late (seconds)."""


class Dependency:
    """One service that the gateway needs; `check` raises `ChatError` while it does not answer."""

    def __init__(
        self,
        name: DependencyName,
        check: Callable[[], Awaitable[object]],
        clock: Callable[[], float],
        *,
        check_s: float = CHECK_S,
        is_known_down: Callable[[], bool] = lambda: False,
        last_success_s: Callable[[], float] = lambda: float("-inf"),
    ) -> None:
        """Check every `check_s` seconds, unless other traffic succeeded within half of that time.

        `is_known_down` overrides the result of `check` at once; `last_success_s` is the time of the last success of
        other traffic, by `clock`.
        """
        self.name = name
        self._check = check
        self._clock = clock
        self._check_s = check_s
        self._is_known_down = is_known_down
        self._last_success_s = last_success_s
        self._checked_s = float("-inf")
        """When `check` last succeeded."""
        self._outage = Incident(log, down="dependency.down", up="dependency.recovered", dependency=str(name))

    @property
    def is_down(self) -> bool:
        return self._is_known_down() or self._silent_s > 1.5 * self._check_s + GRACE_S

    @property
    def _silent_s(self) -> float:
        return self._clock() - max(self._checked_s, self._last_success_s())

    async def watch(self) -> NoReturn:
        """Check until cancelled."""
        while True:
            problem = await self._problem() if self._silent_s > self._check_s / 2 else ""
            self._report(problem)
            await asyncio.sleep(CHECK_S if problem else self._check_s)

    async def _problem(self) -> str:
        """Check once; returns the reason of a failure."""
        try:
            await self._check()
        except ChatError as refusal:
            return why(refusal)
        self._checked_s = self._clock()
        return ""

    def _report(self, problem: str) -> None:
        if not self.is_down:
            self._outage.recover()
        elif problem:
            self._outage.fail(problem)


class Dependencies:
    """Broker, auth and history as seen from this gateway."""

    def __init__(
        self,
        broker: Broker,
        verifier: TokenVerifier,
        history: HistoryClient,
        clock: Callable[[], float],
        watchdog: BrokerWatchdog,
        metrics: GatewayMetrics,
    ) -> None:
        async def check_broker() -> None:
            if not broker.is_healthy:
                raise UnavailableError("not receiving from it; see broker.disconnected")
            if watchdog.cannot_publish:
                raise UnavailableError("publishing fails; see broker.publish_failed")

        self._verifier = verifier
        self._broker = Dependency(DependencyName.BROKER, check_broker, clock, is_known_down=lambda: watchdog.is_deaf)
        # The check of auth fetches its keys, so that they are cached before an outage.
        self._auth = Dependency(DependencyName.AUTH, verifier.refresh, clock, check_s=CHECK_AUTH_S)
        self._history = Dependency(
            DependencyName.HISTORY, lambda: history.heads([]), clock, last_success_s=lambda: history.last_success_s
        )
        self.all = (self._broker, self._auth, self._history)
        for dependency in self.all:
            metrics.dependency_up[dependency.name].set_function(partial(_is_up, dependency))

    @property
    def can_serve(self) -> bool:
        """Whether connections can be served; auth may be down once its keys and revocations are loaded."""
        return not self._broker.is_down and not self._history.is_down and self._verifier.can_verify

    def report(self) -> dict[str, str]:
        """`ok` or `away` by the name of each dependency, as `/health/ready` shows it."""
        return {str(dependency.name): "away" if dependency.is_down else "ok" for dependency in self.all}


def _is_up(dependency: Dependency) -> bool:
    return not dependency.is_down
