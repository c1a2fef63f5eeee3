"""What happens around every HTTP request: it gets an id, which its answer carries, and it is counted."""

import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatterbox.chassis.observability import request_ids
from chatterbox.chassis.observability.metrics import UNKNOWN_ROUTE, Metrics

_HEADER = request_ids.HEADER.lower().encode()
_STARTS = ("http.response.start", "websocket.http.response.start")


class RequestIdMiddleware:
    """ASGI middleware: gives each request an id; one inside another takes over the id of the outer one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = request_ids.accepted(Headers(scope=scope).get(request_ids.HEADER))
        before = request_ids.current()
        request_ids.begin(request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] in _STARTS:
                MutableHeaders(raw=message["headers"]).setdefault(request_ids.HEADER, request_id)
            await send(message)

        try:
            await self._app(_with(scope, request_id), receive, send_with_id)
        finally:
            request_ids.begin(before)  # a call in one process shares its caller's task


def _with(scope: Scope, request_id: str) -> Scope:
    others = [header for header in scope["headers"] if header[0] != _HEADER]
    return {**scope, "headers": [*others, (_HEADER, request_id.encode())]}


class RequestCountMiddleware:
    """ASGI middleware: counts what a service answers. WebSockets are counted by whoever takes them."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        began_s = time.perf_counter()

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            if status:
                route = getattr(scope.get("route"), "path_format", UNKNOWN_ROUTE)
                self._metrics.answered(route, scope["method"], status, time.perf_counter() - began_s)
