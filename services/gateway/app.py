"""The gateway as an ASGI app."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from starlette.responses import JSONResponse

from chatterbox.chassis.broker import Broker
from chatterbox.chassis.http.clock_skew import ClockSkew
from chatterbox.chassis.http.http_app import HttpApp
from chatterbox.chassis.observability.metrics import Metrics
from chatterbox.wire.limits import Limits
from services.gateway.gateway import Gateway
from services.gateway.metrics import GatewayMetrics
from services.gateway.settings import GatewaySettings
from services.gateway.transport.endpoint import serve_websockets
from services.gateway.upstream.history_client import AppendFunction


def create_app(
    settings: GatewaySettings,
    *,
    limits: Limits,
    broker: Broker,
    auth: httpx.AsyncClient,
    history: httpx.AsyncClient,
    appending: AppendFunction,
    clock: Callable[[], float] = time.monotonic,
    now_s: Callable[[], float] = time.time,
    clocks: ClockSkew | None = None,
) -> FastAPI:
    """The gateway; `auth` and `history` call those services, `clocks` compares their clocks with ours.

    `appending` brings messages to history.

    It must be served with a `front_door` as HTTP protocol class. Its `Gateway` is at `app.state.gateway`,
    for whoever must drain it; the lifespan starts and stops it.
    """
    metrics = GatewayMetrics(Metrics("gateway"))
    gateway = Gateway(
        settings,
        limits=limits,
        broker=broker,
        auth=auth,
        history=history,
        appending=appending,
        clock=clock,
        now_s=now_s,
        metrics=metrics,
    )
    metrics.ready.set_function(lambda: gateway.is_ready)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with gateway.running():
            yield

    app = HttpApp("Chatterbox gateway", metrics.metrics, lifespan=lifespan)
    app.state.gateway = gateway
    serve_websockets(app, gateway, settings.allowed_origins())

    @app.get("/health/live", include_in_schema=False)
    async def live() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get("/health/ready", include_in_schema=False)
    async def ready() -> JSONResponse:
        clock = clocks.report() if clocks else {}
        status = "ok" if gateway.is_ready else "draining" if gateway.is_draining else "unavailable"
        return JSONResponse({"status": status, **gateway.parts.report(), **clock}, 200 if gateway.is_ready else 503)

    return app
