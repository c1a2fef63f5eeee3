"""The auth service as an app: opens its parts when it starts, closes them in reverse."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing

from fastapi import FastAPI

from chatterbox import __version__
from chatterbox.chassis.broker import Broker
from chatterbox.chassis.http import http_errors
from chatterbox.chassis.observability.metrics import Metrics
from chatterbox.chassis.tasks import background
from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire.auth_api import Jwks
from chatterbox.wire.errors import ChatError
from services.auth.auth_database import open_database
from services.auth.http import internal_routes, public_routes
from services.auth.http.request_dependencies import AuthContext
from services.auth.metrics import AuthMetrics
from services.auth.sessions.login_sessions import LoginSessions
from services.auth.sessions.signing_keys import KeyRing
from services.auth.settings import AuthSettings
from services.auth.users.accounts import Accounts
from services.auth.users.password_hasher import PasswordHasher
from services.auth.users.user_table import UserTable

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

    app = http_errors.new_app("Chatterbox auth", metrics.metrics, version=__version__, lifespan=lifespan)
    for router in (public_routes.router, internal_routes.router, internal_routes.health):
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
) -> AuthContext:
    database = await stack.enter_async_context(open_database(settings.data))
    metrics.watch_ballast(database.ballast)
    ring = KeyRing(settings.data, now_s)
    ring.open()
    hasher = stack.enter_context(closing(PasswordHasher(settings.hash_concurrency, settings.hash_waiting, metrics)))
    await hasher.warm()
    users = UserTable(database)
    return AuthContext(
        accounts=Accounts(settings, database, users, hasher, now_s, clock, metrics),
        logins=LoginSessions(settings, database, ring, broker, now_s, metrics),
        users=users,
        ring=ring,
        verifier=_verifier(ring, now_s, clock),
        database=database,
        service_key=service_key,
    )


def _verifier(ring: KeyRing, now_s: Callable[[], float], clock: Callable[[], float]) -> TokenVerifier:
    async def jwks() -> Jwks:
        return ring.jwks()

    return TokenVerifier(jwks, now_s, clock)


async def _tidy(auth: AuthContext) -> None:
    while True:
        try:
            await auth.logins.forget_expired()
            auth.ring.drop_retired()
        except ChatError:
            log.warning("cleanup.deferred")
        await asyncio.sleep(TIDY_S)
