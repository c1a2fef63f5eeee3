"""Wiring of a service that runs as its own process: the configured broker, and cleanup at shutdown."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from chatterbox.chassis.broker import Broker, MemoryBroker
from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.chassis.redis.redis_broker import RedisBroker
from chatterbox.chassis.settings import PREFIX, Settings


def broker_for(settings: Settings) -> Broker:
    """The Redis broker if a URL is configured, else a memory broker; raises `OperatorError` for an invalid URL.

    Redis need not be running yet.
    """
    url = settings.redis()
    if not url:
        return MemoryBroker()
    try:
        return RedisBroker(url)
    except ValueError:
        raise OperatorError(
            f"{PREFIX}REDIS_URL must look like redis://user:password@host:6379 (rediss:// with TLS)"
        ) from None


def close_on_shutdown(app: FastAPI, *closers: Callable[[], Awaitable[None]]) -> FastAPI:
    """Make `app` call `closers` after its own shutdown, the last one first: for what it was given and did not open."""
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(outer: FastAPI) -> AsyncIterator[Any]:
        async with AsyncExitStack() as stack:
            for close in closers:
                stack.push_async_callback(close)
            yield await stack.enter_async_context(inner(outer))

    app.router.lifespan_context = lifespan
    return app
