"""Composition root of history: `create_app` builds the service from its settings and ports."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import NamedTuple, TypeAlias

import aiosqlite
import httpx
from fastapi import FastAPI

from chatterbox.chassis.broker import Broker
from chatterbox.chassis.http.http_errors import new_app
from chatterbox.chassis.observability.metrics import Metrics
from chatterbox.chassis.sqlite.database import make_folder, open_writer
from chatterbox.chassis.sqlite.disk_reserve import DiskReserve
from chatterbox.chassis.tasks import background
from chatterbox.chassis.token_verifier import AuthClient, TokenVerifier
from chatterbox.wire.limits import Limits
from services.history.context import HistoryContext
from services.history.history import HistoryService
from services.history.http import health_routes, internal_routes, message_routes, room_routes
from services.history.messages.commit_publisher import CommitPublisher
from services.history.messages.writer import Writer
from services.history.metrics import HistoryMetrics
from services.history.revocation_sync import RevocationSync
from services.history.rows import open_readers
from services.history.schema import SCHEMA
from services.history.settings import HistorySettings

DatabaseOpener: TypeAlias = Callable[..., AbstractAsyncContextManager[aiosqlite.Connection]]
"""Opens the database for writing; called as `open_writer` is."""
WriterFactory: TypeAlias = Callable[..., Writer]
"""Makes the writer; called as `Writer` is."""


class HistoryApp(NamedTuple):
    """The history service as an ASGI app, and the context that its routes share."""

    asgi: FastAPI
    context: HistoryContext


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
    open_database: DatabaseOpener = open_writer,
    make_writer: WriterFactory = Writer,
) -> HistoryApp:
    """Build the app; its lifespan opens and closes the database. `auth` calls the auth service's internal address.

    To let gateways append over the network, serve it with an `append_server.append_protocol`.

    Starting raises `DatabaseInUseError` or `DatabaseDamagedError` if the database can't be served.
    """
    auth_client = AuthClient(auth)
    verifier = TokenVerifier(auth_client.jwks, lambda: now_ms() / 1000)
    metrics = HistoryMetrics(Metrics("history"))
    context = HistoryContext(service_key, verifier, RevocationSync(verifier, auth_client, broker))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        """The stack closes in reverse order, so that everything is closed before what it uses."""
        async with AsyncExitStack() as stack:
            db, reserve = await _open_database(stack, settings, open_database, metrics)
            readers = await stack.enter_async_context(open_readers(settings.database, settings.readers))
            publisher = await stack.enter_async_context(CommitPublisher(broker, metrics=metrics).running())
            writer = make_writer(
                db, limits=limits, now_ms=now_ms, announce=publisher.offer, metrics=metrics, ballast=reserve
            )
            await stack.enter_async_context(writer.running())
            context.serve(HistoryService(readers, writer, auth_client, limits, metrics))
            await stack.enter_async_context(context.revocations.following())
            yield

    app = new_app("Chatterbox history", metrics.metrics, lifespan=lifespan)
    app.state.context = context
    for router in (message_routes.router, room_routes.router, internal_routes.router, health_routes.router):
        app.include_router(router)
    return HistoryApp(app, context)


async def _open_database(
    stack: AsyncExitStack, settings: HistorySettings, open_database: DatabaseOpener, metrics: HistoryMetrics
) -> tuple[aiosqlite.Connection, DiskReserve]:
    make_folder(settings.data)
    reserve = DiskReserve.beside(settings.database)
    metrics.watch_disk(settings.data)
    metrics.watch_reserve(reserve)
    db = await stack.enter_async_context(open_database(settings.database, SCHEMA, ballast=reserve))
    await stack.enter_async_context(background(reserve.tending(), "history.ballast"))
    return db, reserve
