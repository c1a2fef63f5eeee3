"""The history service as an ASGI app. Whoever composes it hands in the ports: broker, auth, clock."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
from fastapi import FastAPI

from chatterbox.chassis.broker import Broker
from chatterbox.chassis.http.http_app import HttpApp
from chatterbox.chassis.observability.metrics import Metrics
from chatterbox.chassis.sqlite.service_database import open_database
from chatterbox.chassis.token_verifier import AuthClient, TokenVerifier
from chatterbox.wire.limits import Limits
from services.history.history import HistoryService
from services.history.http import health_routes, internal_routes, public_routes
from services.history.messages.commit_publisher import CommitPublisher
from services.history.messages.writer import Writer
from services.history.metrics import HistoryMetrics
from services.history.revocation_sync import RevocationSync
from services.history.schema import SCHEMA
from services.history.settings import HistorySettings


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def create_app(
    settings: HistorySettings,
    *,
    broker: Broker,
    auth: httpx.AsyncClient,
    service_key: str,
    limits: Limits,
    now_ms: Callable[[], int] = _now_ms,
) -> FastAPI:
    """The app; its lifespan opens the database and closes it. `auth` calls the auth service's internal address.

    Where gateways bring messages over the network, it must be served with an `append_line.door`.

    Starting raises `DatabaseInUseError` or `DatabaseDamagedError` where the database can't be served.
    """
    auth_client = AuthClient(auth)
    verifier = TokenVerifier(auth_client.jwks, lambda: now_ms() / 1000)
    metrics = HistoryMetrics(Metrics("history"))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            history = await _open(stack, settings, broker, auth_client, limits, now_ms, metrics)
            ended = RevocationSync(verifier, auth_client, broker)
            app.state.ended_sessions = await stack.enter_async_context(ended.following())
            app.state.history = history
            yield

    app = HttpApp("Chatterbox history", metrics.metrics, lifespan=lifespan)
    app.state.service_key = service_key
    app.state.verifier = verifier
    for router in (public_routes.router, internal_routes.router, health_routes.router):
        app.include_router(router)
    return app


async def _open(
    stack: AsyncExitStack,
    settings: HistorySettings,
    broker: Broker,
    auth: AuthClient,
    limits: Limits,
    now_ms: Callable[[], int],
    metrics: HistoryMetrics,
) -> HistoryService:
    """Open everything; `stack` closes it in reverse, so that nothing is taken away from what still uses it."""
    database = await stack.enter_async_context(
        open_database(settings.database, SCHEMA, readers=settings.readers, synchronous=settings.sabotage_synchronous)
    )
    metrics.watch_disk(settings.data)
    metrics.watch_ballast(database.reserve)
    announcer = await stack.enter_async_context(CommitPublisher(broker, metrics=metrics).running())
    writer = Writer(
        database.writer,
        limits=limits,
        now_ms=now_ms,
        announce=announcer.offer,
        metrics=metrics,
        ballast=database.reserve,
        sabotage=settings.of_the_writer(),
    )
    await stack.enter_async_context(writer.running())
    return HistoryService(database.readers, writer, auth, limits, metrics)
