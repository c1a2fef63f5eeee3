"""The FastAPI app of a service: uniform errors, request ids, metrics, and a context opened by its lifespan."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Generic, TypeAlias, TypeVar

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.telemetry import TelemetryConfig
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatterbox.chassis.http.http_errors import (
    BODY_BYTES,
    COMMON_REFUSALS,
    ErrorBody,
    add_error_handlers,
    body_too_large,
)
from chatterbox.chassis.http.request_middleware import RequestCountMiddleware, RequestIdMiddleware
from chatterbox.chassis.observability.metrics import Metrics, metrics_endpoint

C = TypeVar("C")

NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""Off: finding out whether OpenTelemetry is configured took a twentieth of the time of a connect."""


class HttpApp(FastAPI):
    """A FastAPI app whose every error is `{code, detail}`, without its own API reference pages: those are merged.

    With `metrics`, its requests are counted there and `/metrics` exposes them. `schemas` makes further schemas of the
    document, by name, when it is asked for.
    """

    def __init__(
        self,
        title: str,
        metrics: Metrics | None = None,
        schemas: Callable[[], dict[str, Any]] = dict,
        **options: Any,  # noqa: ANN401 - FastAPI's
    ) -> None:
        super().__init__(
            title=title,
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            responses={**COMMON_REFUSALS},
            max_body_size=BODY_BYTES,
            redirect_slashes=False,
            telemetry=NO_TELEMETRY,
            **options,
        )
        self._metrics = metrics
        self._schemas = schemas
        add_error_handlers(self)
        if metrics is not None:
            self.add_api_route("/metrics", metrics_endpoint(metrics), include_in_schema=False)

    def openapi(self) -> dict[str, Any]:
        """FastAPI's document of the app, with the schema of every refusal."""
        if self.openapi_schema is None:
            document = super().openapi()
            if document["paths"]:
                schemas = document.setdefault("components", {}).setdefault("schemas", {})
                schemas[ErrorBody.__name__] = jsonable_encoder(ErrorBody.model_json_schema(), exclude_none=True)
                schemas.update(self._schemas())
        return super().openapi()

    def build_middleware_stack(self) -> ASGIApp:
        http: ASGIApp = _TooLargeAsJson(super().build_middleware_stack())
        return RequestIdMiddleware(
            _HttpOnly(http if self._metrics is None else RequestCountMiddleware(http, self._metrics), self.router)
        )


OpenContext: TypeAlias = Callable[[AsyncExitStack], Awaitable[C]]
"""Opens a service's context; what it opens is pushed to the stack, which closes it in reverse order."""


class ServiceApp(HttpApp, Generic[C]):
    """An app with a context: whatever its routes need that is open only while the app runs."""

    def __init__(
        self,
        title: str,
        metrics: Metrics | None,
        open_context: OpenContext[C],
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(title, metrics, lifespan=self._run, **options)
        self._open_context = open_context
        self._context: C | None = None

    @property
    def context(self) -> C:
        """What `open_context` returned; raises `RuntimeError` unless the lifespan is running."""
        if self._context is None:
            raise RuntimeError(f"{self.title} is not running")
        return self._context

    @asynccontextmanager
    async def _run(self, _: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            self._context = await self._open_context(stack)
            yield


def context_of(request: Request, kind: type[C]) -> C:
    """The context of the `ServiceApp` that handles this request."""
    app = request.app
    context = app.context if isinstance(app, ServiceApp) else None
    if not isinstance(context, kind):
        raise TypeError(f"{app} has no {kind.__name__}")
    return context


class _HttpOnly:
    """Runs the HTTP middleware for HTTP only; WebSocket connections go straight to the router.

    With thousands of clients connecting, the middleware took an eighth of the gateway's CPU time.
    """

    def __init__(self, http: ASGIApp, websocket: ASGIApp) -> None:
        self._http = http
        self._websocket = websocket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._websocket if scope["type"] == "websocket" else self._http)(scope, receive, send)


class _TooLargeAsJson:
    """Replaces FastAPI's plain-text response to a too large `Content-Length`, which can't be configured."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        replaced = False

        async def send_json(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and _is_plain_413(message):
                replaced = True
                await body_too_large()(scope, receive, send)
            elif not replaced:
                await send(message)

        await self._app(scope, receive, send_json)


def _is_plain_413(start: Message) -> bool:
    return start["status"] == 413 and Headers(raw=start["headers"]).get("content-type") != "application/json"
