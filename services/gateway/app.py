"""The gateway as an ASGI app: WebSocket endpoint, health checks, metrics."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

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


class GatewayApp(NamedTuple):
    """A gateway and the ASGI app that serves it; drain the gateway before the process stops."""

    asgi: FastAPI
    gateway: Gateway


def create_app(
    settings: GatewaySettings,
    *,
    limits: Limits,
    broker: Broker,
    auth: httpx.AsyncClient,
    history: httpx.AsyncClient,
    append: AppendFunction,
    clock: Callable[[], float] = time.monotonic,
    now_s: Callable[[], float] = time.time,
    clocks: ClockSkew | None = None,
) -> GatewayApp:
    """Create the gateway; the app's lifespan starts and stops it.

    `auth` and `history` call those services, and `append` sends messages to history. `clock` is monotonic seconds,
    `now_s` seconds since 1970, `clocks` what is known of other services' clocks. Serve the app with an
    `upgrade_protocol` as HTTP protocol class.
    """
    metrics = GatewayMetrics(Metrics("gateway"))
    gateway = Gateway(
        settings,
        limits=limits,
        broker=broker,
        auth=auth,
        history=history,
        append=append,
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
    serve_websockets(app, gateway, settings.allowed_origins())

    @app.get("/health/live", include_in_schema=False)
    async def live() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get("/health/ready", include_in_schema=False)
    async def ready() -> JSONResponse:
        clock = clocks.report() if clocks else {}
        status = "ok" if gateway.is_ready else "draining" if gateway.is_draining else "unavailable"
        report = {"status": status, **gateway.dependencies.report(), **clock}
        return JSONResponse(report, 200 if gateway.is_ready else 503)

    return GatewayApp(app, gateway)
