"""Limits the rate of HTTP requests from each network address, before any work is done for them."""

import asyncio
import random
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from chatterbox.chassis.core.peer_address import network
from chatterbox.chassis.core.rate_limiter import RateLimiter
from chatterbox.chassis.http.http_errors import answer
from chatterbox.wire.errors import ChatError
from chatterbox.wire.rate_bounds import Rate
from chatterbox.wire.rate_limits import REQUESTS, REQUESTS_REFUSED_AT_ONCE, UNCOUNTED

DELAY_S = (0.5, 1.5)
"""How long the refusals of an address that floods are held back, at least and at most (seconds): a random time, so that
its connections do not go on at one moment. They are not read meanwhile."""
MAX_DELAYED = 500
"""Refusals that are held back at the same time; further ones are sent at once."""


class RequestRate:
    """Counts the requests of each address, those that are no valid HTTP included.

    An address that goes on beyond its rate gets each refusal about a second later: a client that sends one request
    after the other is slowed down, and costs no more than one that keeps to its rate.
    """

    def __init__(
        self, rate: Rate, is_proxy: Callable[[str], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`is_proxy` tells whether a peer's address is that of a trusted proxy; `clock` is monotonic seconds."""
        self._is_proxy = is_proxy
        self._clock = clock
        self._limiter: RateLimiter[str] = RateLimiter(rate, name=f"{REQUESTS.name} from your address")
        self._refused_at_once: RateLimiter[str] = RateLimiter(REQUESTS_REFUSED_AT_ONCE.bound)

    def spend(self, host: str) -> None:
        """Count a request; raises `rate_limited` beyond the rate."""
        self._limiter.spend(network(host), self._clock())

    def delay_s(self, host: str) -> float:
        """How long to hold back the refusal of a request beyond the rate (seconds)."""
        if self._refused_at_once.take(network(host), self._clock()) == 0:
            return 0.0
        return random.uniform(*DELAY_S)  # noqa: S311 - jitter, not a secret

    def spend_invalid(self, host: str) -> float:
        """Count an invalid request of a peer, unless it is a proxy; returns how long to hold back its refusal."""
        if self._is_proxy(host):
            return 0.0
        try:
            self.spend(host)
        except ChatError:
            return self.delay_s(host)
        return 0.0


class RequestRateMiddleware:
    """Answers requests beyond the rate with `rate_limited`. Paths in `UNCOUNTED` and WebSockets are not counted.

    It must run inside the `ForwardedMiddleware`, which finds out the client's address.
    """

    def __init__(self, app: ASGIApp, rate: RequestRate) -> None:
        self._app = app
        self._rate = rate
        self._delayed = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_counted(scope["path"]) and scope.get("client"):
            host = scope["client"][0]
            try:
                self._rate.spend(host)
            except ChatError as problem:
                await self._delay(self._rate.delay_s(host))
                await answer(problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _delay(self, seconds: float) -> None:
        if not seconds or self._delayed >= MAX_DELAYED:
            return
        self._delayed += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._delayed -= 1


def _is_counted(path: str) -> bool:
    return f"/{path[1:].partition('/')[0]}" not in UNCOUNTED
