"""The auth service as an ASGI app: wires database, keys, accounts and sessions, and runs the periodic cleanup."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from typing import TypeAlias

from chatterbox import __version__
from chatterbox.chassis.broker import Broker
from chatterbox.chassis.core.caller_keys import CallerKeys
from chatterbox.chassis.http.http_app import ServiceApp
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

CLEANUP_S = 600
"""How often expired sessions and keys are deleted (seconds)."""

AuthApp: TypeAlias = ServiceApp[AuthContext]


def create_app(
    settings: AuthSettings,
    *,
    broker: Broker,
    callers: CallerKeys,
    now_s: Callable[[], float] = time.time,
    clock: Callable[[], float] = time.monotonic,
) -> AuthApp:
    """Create the auth service; its lifespan opens and closes the database.

    `callers` are the keys of the services that call this one. `now_s` is seconds since 1970, `clock` monotonic seconds.
    """
    metrics = AuthMetrics(Metrics("auth"))

    async def open_context(stack: AsyncExitStack) -> AuthContext:
        context = await _open(stack, settings, broker, callers, now_s, clock, metrics)
        await stack.enter_async_context(background(_clean_up(context), "auth.cleanup"))
        return context

    app = AuthApp("Chatterbox auth", metrics.metrics, open_context, version=__version__)
    for router in (public_routes.router, internal_routes.router, internal_routes.health):
        app.include_router(router)
    return app


async def _open(
    stack: AsyncExitStack,
    settings: AuthSettings,
    broker: Broker,
    callers: CallerKeys,
    now_s: Callable[[], float],
    clock: Callable[[], float],
    metrics: AuthMetrics,
) -> AuthContext:
    database = await stack.enter_async_context(open_database(settings.data))
    if callers.is_shared:
        log.warning("service_key.shared")  # not before: a start that is refused prints one sentence
    metrics.watch_reserve(database.reserve)
    key_ring = KeyRing(settings.data, now_s)
    key_ring.open()
    hasher = stack.enter_context(closing(PasswordHasher(settings.hash_concurrency, settings.hash_waiting, metrics)))
    await hasher.warm_up()
    users = UserTable(database)
    return AuthContext(
        accounts=Accounts(settings, database, users, hasher, now_s, clock, metrics),
        sessions=LoginSessions(settings, database, key_ring, broker, now_s, clock, metrics),
        users=users,
        key_ring=key_ring,
        verifier=_verifier(key_ring, now_s, clock),
        database=database,
        callers=callers,
        clock=clock,
    )


def _verifier(key_ring: KeyRing, now_s: Callable[[], float], clock: Callable[[], float]) -> TokenVerifier:
    async def jwks() -> Jwks:
        return key_ring.jwks()

    return TokenVerifier(jwks, now_s, clock)


async def _clean_up(context: AuthContext) -> None:
    while True:
        try:
            await context.sessions.delete_expired()
            context.key_ring.delete_retired()
        except ChatError:
            log.warning("cleanup.deferred")
        await asyncio.sleep(CLEANUP_S)
