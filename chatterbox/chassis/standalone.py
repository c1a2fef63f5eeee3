"""What each service needs to run as a process of its own: the broker that its settings name, and an orderly end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from chatterbox.chassis.broker import Broker, MemoryBroker
from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.chassis.redis.redis_broker import RedisBroker
from chatterbox.chassis.settings import PREFIX, Settings


def broker_for(settings: Settings) -> Broker:
    """Redis where there is one; raises `OperatorError` for a URL that is none. Redis need not answer yet."""
    url = settings.redis()
    if not url:
        return MemoryBroker()
    try:
        return RedisBroker(url)
    except ValueError:
        raise OperatorError(
            f"{PREFIX}REDIS_URL must look like redis://user:password@host:6379 (rediss:// with TLS)"
        ) from None


def closing(app: FastAPI, *closers: Callable[[], Awaitable[None]]) -> FastAPI:
    """`app`, which on its way out calls `closers`, the last one first: it is given what it stands on, and ends it."""
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(whole: FastAPI) -> AsyncIterator[Any]:
        async with AsyncExitStack() as stack:
            for close in closers:
                stack.push_async_callback(close)
            yield await stack.enter_async_context(inner(whole))

    app.router.lifespan_context = lifespan
    return app
