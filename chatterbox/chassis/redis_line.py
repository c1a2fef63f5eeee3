"""One connection to Redis that is what it seems: it never reconnects by itself, and whoever uses it sees it end.

redis-py's own `PubSub` and pooled clients reconnect silently, and what was published meanwhile is gone without a sign.
So each `Line` is opened once, and thrown away at the first failure.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Self

from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

FAILURES = (RedisError, OSError, TimeoutError)
"""What any method of a line may raise; after that it is of no use."""
Command = tuple[str | bytes, ...]


class Line:
    """An open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, url: str, within_s: float) -> Self:
        """Connect and log in within `within_s` seconds; raises one of `FAILURES`."""
        pool = ConnectionPool.from_url(
            url,
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=within_s,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
        )
        line = cls(pool.make_connection())  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(within_s):
                await line._connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await line.close()
            raise
        return line

    async def write(self, commands: Sequence[Command]) -> None:
        """Send commands in one go, without waiting for their answers."""
        if not self._connection.is_connected:  # or redis-py would open another
            raise ConnectionError("the connection is closed")
        await self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)

    async def read(self) -> Any:  # noqa: ANN401 - whatever Redis answers
        """The next answer or push, however long it takes; an error that Redis answers is raised."""
        return await self._connection.read_response(timeout=math.inf)

    async def is_idle(self) -> bool:
        """Whether nothing has come that was not read; the end of the connection is something that comes."""
        return self._connection.is_connected and not await self._connection.can_read()

    async def close(self) -> None:
        await self._connection.disconnect(nowait=True)
