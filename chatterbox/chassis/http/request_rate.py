"""ASGI middleware that limits the rate of HTTP requests from each network address, before any work is done for them."""

import time
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from chatterbox.chassis.core.peer_address import network
from chatterbox.chassis.core.rate_limiter import RateLimiter
from chatterbox.chassis.http.http_errors import answer
from chatterbox.wire.errors import ChatError
from chatterbox.wire.rate_limits import REQUESTS, UNCOUNTED, Rate


class RequestRateMiddleware:
    """Answers requests beyond `rate` with `rate_limited`. Paths in `UNCOUNTED` and WebSockets are not counted.

    It must run inside the `ForwardedMiddleware`, which finds out the client's address.
    """

    def __init__(self, app: ASGIApp, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is monotonic seconds."""
        self._app = app
        self._clock = clock
        self._limiter: RateLimiter[str] = RateLimiter(rate, name=f"{REQUESTS.name} from your address")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_counted(scope["path"]) and scope.get("client"):
            try:
                self._limiter.spend(network(scope["client"][0]), self._clock())
            except ChatError as problem:
                await answer(problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_counted(path: str) -> bool:
    return f"/{path[1:].partition('/')[0]}" not in UNCOUNTED
