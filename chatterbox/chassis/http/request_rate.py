"""ASGI middleware that limits the rate of HTTP requests from each network address, before any work is done for them."""

import asyncio
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from chatterbox.chassis.core.peer_address import network
from chatterbox.chassis.core.rate_limiter import RateLimiter
from chatterbox.chassis.http.http_errors import answer
from chatterbox.wire.errors import ChatError
from chatterbox.wire.rate_limits import REQUESTS, REQUESTS_REFUSED_AT_ONCE, UNCOUNTED, Rate

DELAY_S = 1.0
"""How long the refusals of an address that floods are held back (seconds); its connections are not read meanwhile."""
MAX_DELAYED = 500
"""Refusals that are held back at the same time; further ones are sent at once."""


class RequestRateMiddleware:
    """Answers requests beyond `rate` with `rate_limited`. Paths in `UNCOUNTED` and WebSockets are not counted.

    An address that goes on gets each refusal a second later: a client that sends one request after the other is slowed
    down, and costs no more than one that keeps to its rate.

    It must run inside the `ForwardedMiddleware`, which finds out the client's address.
    """

    def __init__(self, app: ASGIApp, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is monotonic seconds."""
        self._app = app
        self._clock = clock
        self._limiter: RateLimiter[str] = RateLimiter(rate, name=f"{REQUESTS.name} from your address")
        self._refused_at_once: RateLimiter[str] = RateLimiter(REQUESTS_REFUSED_AT_ONCE.bound)
        self._delayed = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_counted(scope["path"]) and scope.get("client"):
            address = network(scope["client"][0])
            try:
                self._limiter.spend(address, self._clock())
            except ChatError as problem:
                await self._delay(address)
                await answer(problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _delay(self, address: str) -> None:
        if self._refused_at_once.take(address, self._clock()) == 0 or self._delayed >= MAX_DELAYED:
            return
        self._delayed += 1
        try:
            await asyncio.sleep(DELAY_S)
        finally:
            self._delayed -= 1


def _is_counted(path: str) -> bool:
    return f"/{path[1:].partition('/')[0]}" not in UNCOUNTED
