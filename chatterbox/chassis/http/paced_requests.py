"""ASGI middleware that bounds how much of the HTTP requests in progress is handled per event-loop iteration."""

from starlette.types import ASGIApp, Receive, Scope, Send

from chatterbox.chassis.pacing import PacedQueue
from chatterbox.wire.rate_limits import REQUEST_STEPS_PER_TURN


class RequestPacingMiddleware:
    """Runs requests in steps, from one wait to the next, a few per turn; WebSockets are not paced here.

    Requests that wait for the same commit, or for the same second to pass, continue in one turn. Without pacing, the
    frames of all connections would wait until each of them is answered.
    """

    def __init__(self, app: ASGIApp, steps_per_turn: int = REQUEST_STEPS_PER_TURN.bound.limit) -> None:
        self._app = app
        self._queue = PacedQueue(steps_per_turn)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._queue.in_steps(self._app(scope, receive, send))
        else:
            await self._app(scope, receive, send)
