"""ASGI middleware for every request: request ids, and request metrics."""

import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatterbox.chassis.observability import request_ids
from chatterbox.chassis.observability.metrics import UNKNOWN_ROUTE, Metrics

_HEADER = request_ids.HEADER.lower().encode()
_RESPONSE_STARTS = ("http.response.start", "websocket.http.response.start")


class RequestIdMiddleware:
    """Assigns an id to each request and returns it in the response; nested requests keep the outer one's id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = request_ids.accepted(Headers(scope=scope).get(request_ids.HEADER))
        outer_id = request_ids.current()
        request_ids.begin(request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] in _RESPONSE_STARTS:
                MutableHeaders(raw=message["headers"]).setdefault(request_ids.HEADER, request_id)
            await send(message)

        try:
            await self._app(_with_id(scope, request_id), receive, send_with_id)
        finally:
            request_ids.begin(outer_id)  # an in-process call runs in its caller's task


def _with_id(scope: Scope, request_id: str) -> Scope:
    others = [header for header in scope["headers"] if header[0] != _HEADER]
    return {**scope, "headers": [*others, (_HEADER, request_id.encode())]}


class RequestCountMiddleware:
    """Counts responses and measures their time. WebSocket connections are counted by the gateway."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        started_s = time.perf_counter()

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_observed)
        finally:
            if status:
                route = getattr(scope.get("route"), "path_format", UNKNOWN_ROUTE)
                self._metrics.observe_request(route, scope["method"], status, time.perf_counter() - started_s)
