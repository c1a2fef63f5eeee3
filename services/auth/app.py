"""The auth service as an app: opens its parts when it starts, closes them in reverse."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing

from fastapi import FastAPI

from chatterbox import __version__
from chatterbox.chassis import edge
from chatterbox.chassis.broker import Broker
from chatterbox.chassis.identity import Verifier
from chatterbox.chassis.metrics import Metrics
from chatterbox.chassis.tasks import background
from chatterbox.wire.errors import ChatError
from chatterbox.wire.tokens import Jwks
from services.auth import internal, routes
from services.auth.accounts import Accounts
from services.auth.database import open_database
from services.auth.hashing import Hasher
from services.auth.keys import KeyRing
from services.auth.logins import Logins
from services.auth.metrics import AuthMetrics
from services.auth.settings import AuthSettings
from services.auth.users import Users
from services.auth.wiring import Auth

log = logging.getLogger("chatterbox.auth")

TIDY_S = 600
"""Expired sessions and keys are dropped this often (seconds)."""


def create_app(
    settings: AuthSettings,
    *,
    broker: Broker,
    service_key: str,
    now_s: Callable[[], float] = time.time,
    clock: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """The auth service. `now_s` is seconds since 1970, `clock` seconds that never jump.

    `service_key` is what other services show.
    """
    metrics = AuthMetrics(Metrics("auth"))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            app.state.auth = await _open(stack, settings, broker, service_key, now_s, clock, metrics)
            await stack.enter_async_context(background(_tidy(app.state.auth), "auth.tidy"))
            yield

    app = edge.new_app("Chatterbox auth", metrics.metrics, version=__version__, lifespan=lifespan)
    for router in (routes.router, internal.router, internal.health):
        app.include_router(router)
    return app


async def _open(
    stack: AsyncExitStack,
    settings: AuthSettings,
    broker: Broker,
    service_key: str,
    now_s: Callable[[], float],
    clock: Callable[[], float],
    metrics: AuthMetrics,
) -> Auth:
    database = await stack.enter_async_context(open_database(settings.data))
    metrics.watch_ballast(database.ballast)
    ring = KeyRing(settings.data, now_s)
    ring.open()
    hasher = stack.enter_context(closing(Hasher(settings.hash_concurrency, settings.hash_waiting, metrics)))
    await hasher.warm()
    users = Users(database)
    return Auth(
        accounts=Accounts(settings, database, users, hasher, now_s, clock, metrics),
        logins=Logins(settings, database, ring, broker, now_s, metrics),
        users=users,
        ring=ring,
        verifier=_verifier(ring, now_s, clock),
        database=database,
        service_key=service_key,
    )


def _verifier(ring: KeyRing, now_s: Callable[[], float], clock: Callable[[], float]) -> Verifier:
    async def jwks() -> Jwks:
        return ring.jwks()

    return Verifier(jwks, now_s, clock)


async def _tidy(auth: Auth) -> None:
    while True:
        try:
            await auth.logins.forget_expired()
            auth.ring.drop_retired()
        except ChatError:
            log.warning("tidying.put_off")
        await asyncio.sleep(TIDY_S)
