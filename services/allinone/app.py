"""Composition root of the single process: all apps behind one port, with in-memory broker and internal calls."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from typing import Any, NamedTuple

import httpx
from fastapi import APIRouter, FastAPI, Request
from fastapi_offline import FastAPIOffline
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chatterbox import __version__
from chatterbox.chassis.broker import Broker, MemoryBroker
from chatterbox.chassis.core.caller_keys import CallerKeys, ServiceName
from chatterbox.chassis.http.http_app import NO_TELEMETRY
from chatterbox.chassis.http.http_errors import add_error_handlers, answer
from chatterbox.chassis.http.internal_http import DEADLINE_S, in_process, no_answer
from chatterbox.chassis.http.openapi import merged_openapi, public_paths
from chatterbox.chassis.http.request_middleware import RequestIdMiddleware
from chatterbox.chassis.settings import LimitSettings
from chatterbox.wire import history_api
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import asyncapi
from services.allinone.start_page import reference_page, start_page
from services.auth.app import create_app as create_auth
from services.auth.http import public_routes as auth_routes
from services.auth.http.internal_routes import check_ready as check_auth
from services.auth.settings import AuthSettings
from services.files.app import PUBLIC_ROUTERS, FilesApp
from services.files.app import create_app as create_files
from services.files.http.files_health import check_ready as check_files
from services.files.settings import FilesSettings
from services.gateway.app import create_app as create_gateway
from services.gateway.gateway import Gateway
from services.gateway.settings import GatewaySettings
from services.gateway.upstream.history_client import AppendFunction
from services.history.app import HistoryApp
from services.history.app import create_app as create_history
from services.history.http import (
    direct_routes,
    invitation_routes,
    message_routes,
    people_routes,
    reaction_routes,
    read_routes,
    room_routes,
)
from services.history.http.encryption import backup_routes, device_routes, member_log_routes
from services.history.http.health_routes import check_ready as check_history
from services.history.settings import HistorySettings


class AllSettings(NamedTuple):
    """The settings of every service."""

    auth: AuthSettings
    history: HistorySettings
    gateway: GatewaySettings
    limits: LimitSettings
    files: FilesSettings | None = None
    """None: without the files service."""


class AllInOne(NamedTuple):
    """The ASGI app of the single process, and its gateway, which must be drained before the process stops."""

    app: FastAPI
    gateway: Gateway
    services: Sequence[FastAPI]
    """The apps that `app` composes."""


def create_all(
    settings: AllSettings,
    *,
    broker: Broker | None = None,
    now_s: Callable[[], float] = time.time,
    create_history: Callable[..., HistoryApp] = create_history,
) -> AllInOne:
    """Compose the services; nothing is opened before the app's lifespan begins.

    `now_s` is the gateway's clock (seconds since 1970), by which tokens expire; `create_history` composes history.
    """
    keys = {service: secrets.token_urlsafe(32) for service in ServiceName}
    callers = CallerKeys.of(keys)
    limits = settings.limits.limits()
    broker = broker or MemoryBroker()
    auth = create_auth(settings.auth, broker=broker, callers=callers)
    callers_of_auth = (ServiceName.HISTORY, ServiceName.GATEWAY, ServiceName.FILES)
    auth_clients = {service: in_process(auth, keys[service]) for service in callers_of_auth}
    history = create_history(
        settings.history, broker=broker, auth=auth_clients[ServiceName.HISTORY], callers=callers, limits=limits
    )
    history_client = in_process(history, keys[ServiceName.GATEWAY])
    gateway = create_gateway(
        settings.gateway,
        limits=limits,
        broker=broker,
        auth=auth_clients[ServiceName.GATEWAY],
        history=history_client,
        append=_append_function(history),
        now_s=now_s,
    )
    history_of_files = in_process(history, keys[ServiceName.FILES])
    files = _create_files(settings, broker, auth_clients[ServiceName.FILES], history_of_files)
    apps: list[FastAPI] = [auth, history, *([files] if files else []), gateway.asgi]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(broker.close)
            for client in (*auth_clients.values(), history_client, history_of_files):
                stack.push_async_callback(client.aclose)
            for app in apps:
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield

    front = FastAPIOffline(
        title="Chatterbox",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        static_url="/docs-assets",
        telemetry=NO_TELEMETRY,
    )
    add_error_handlers(front)
    _serve_pages(front)
    _serve_reference(front, apps)
    checks: dict[str, Callable[[], Awaitable[None]]] = {
        "auth": lambda: check_auth(auth.context),
        "history": lambda: check_history(history.context),
        "gateway": gateway.gateway.check_ready,
    }
    if files:
        checks["files"] = lambda: check_files(files.context)
    _serve_health(front, checks)
    front.add_middleware(RequestIdMiddleware)
    public: list[tuple[ASGIApp, APIRouter]] = [
        (auth, auth_routes.router),
        (history, message_routes.router),
        (history, reaction_routes.router),
        (history, read_routes.router),
        (history, room_routes.router),
        (history, direct_routes.router),
        (history, invitation_routes.router),
        (history, people_routes.router),
        (history, device_routes.router),
        (history, backup_routes.router),
        (history, member_log_routes.router),
    ]
    absent = answer(ChatError(Code.UNAVAILABLE, "This server takes and serves no files."))
    public += [(files or absent, router) for router in PUBLIC_ROUTERS]
    front.router.default = PublicPaths(public)  # not a mount: its pattern leaves out paths with a newline
    front.add_middleware(WebSocketsPast, gateway.asgi)
    return AllInOne(front, gateway.gateway, apps)


def _create_files(
    settings: AllSettings, broker: Broker, auth: httpx.AsyncClient, history: httpx.AsyncClient
) -> FilesApp | None:
    if settings.files is None or settings.files.files == "off":
        return None
    return create_files(settings.files, broker=broker, auth=auth, history=history, limits=settings.limits.limits())


def _append_function(history: HistoryApp) -> AppendFunction:
    """Call history directly, with the timeout that the call between processes has."""

    async def append(
        messages: list[history_api.Append], changes: list[history_api.AnyMessageChange]
    ) -> history_api.AppendAnswer:
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await history.context.history.append(history_api.AppendBatch(messages, changes=changes))
        except TimeoutError as failure:
            raise no_answer("history", failure) from failure

    return append


def _serve_pages(front: FastAPI) -> None:
    start, reference = start_page(has_health=True), reference_page()

    @front.get("/", include_in_schema=False)
    async def start_or_not_found(request: Request) -> Response:
        """The start page, except for programs that ask for JSON."""
        accept = request.headers.get("accept", "")
        if "application/json" in accept and "text/html" not in accept:
            return answer(ChatError(Code.NOT_FOUND))
        return HTMLResponse(start)

    @front.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(reference)


def _serve_reference(front: FastAPI, apps: Sequence[FastAPI]) -> None:
    @cache
    def openapi() -> dict[str, Any]:
        """Built on first request: it takes longer than the rest of the start, imports excepted."""
        return merged_openapi(apps, __version__)

    front.openapi = openapi  # type: ignore[method-assign]
    document = asyncapi.document(__version__)

    @front.get("/asyncapi.json", include_in_schema=False)
    async def asyncapi_json() -> JSONResponse:
        return JSONResponse(document)


def _serve_health(front: FastAPI, checks: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
    """`checks` raise `ChatError` for a service that is not ready."""

    @front.get("/health/live", include_in_schema=False)
    async def live() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @front.get("/health/ready", include_in_schema=False)
    async def ready() -> JSONResponse:
        """Ready while all services are; the state of each is named."""
        services = {name: await _state(check) for name, check in checks.items()}
        is_ready = all(state == "ok" for state in services.values())
        return JSONResponse({"status": "ok" if is_ready else "unavailable", **services}, 200 if is_ready else 503)


async def _state(check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(DEADLINE_S):
            await check()
    except ChatError as problem:
        return problem.detail
    except TimeoutError:
        return "no answer"
    return "ok"


class WebSocketsPast:
    """Passes WebSocket connections to the gateway, past the routes of the front, which would match each connect too."""

    def __init__(self, app: ASGIApp, gateway: ASGIApp) -> None:
        self._app = app
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._gateway if scope["type"] == "websocket" else self._app)(scope, receive, send)


class PublicPaths:
    """Routes each public path to its app; all other paths are answered with 404."""

    def __init__(self, public: Sequence[tuple[ASGIApp, APIRouter]]) -> None:
        """`public` pairs each app with a router of its public paths.

        A first segment belongs to the first app that has it; of others, such a path must be without parameters.
        """
        self._apps: dict[str, ASGIApp] = {}
        self._whole: dict[str, ASGIApp] = {}
        for app, router in public:
            for path in public_paths(router):
                if self._apps.setdefault(path.split("/")[1], app) is not app:
                    self._whole[path] = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        app = self._whole.get(path) or self._apps.get(path.removeprefix("/").partition("/")[0])
        await (app or answer(ChatError(Code.NOT_FOUND)))(scope, receive, send)
