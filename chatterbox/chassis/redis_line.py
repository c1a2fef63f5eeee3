"""One connection to Redis that is what it seems: it never reconnects by itself, and whoever uses it sees it end.

redis-py's own `PubSub` and pooled clients reconnect silently, and what was published meanwhile is gone without a sign.
So each `Line` is opened once, and thrown away at the first failure.

Opening it also finds out what is at the other end: `HELLO 2` names server and version, and needs Redis 6.0. What our
ACL file says (a user for each service, kept to our channels) needs 6.2, so that is the oldest that is served.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Self

from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    InvalidResponse,
    NoPermissionError,
    RedisError,
)

OLDEST = (6, 2)
"""The first Redis with all that we ask of it."""
FAILURES = (RedisError, OSError, TimeoutError)
"""What any method of a line may raise; after that it is of no use."""
Command = tuple[str | bytes, ...]


class RefusedError(RedisError):
    """Something is there and can't be used; it says what, and what to do. Waiting does not mend it."""


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
                await line._introduce()
        except BaseException as problem:
            await line.close()
            if isinstance(problem, FAILURES):
                raise line._explained(problem, within_s) from problem
            raise
        return line

    async def _introduce(self) -> None:
        """Raises where the other end is not Redis, does not know us, or is too old."""
        await self.write([("HELLO", "2")])
        try:
            answer = await self.read()
        except NoPermissionError:
            return  # an operator's own rules; users with rules are as new as we need
        said = {key: value for key, value in zip(answer[::2], answer[1::2], strict=True) if isinstance(value, bytes)}
        version = said.get(b"version", b"").decode()
        if said.get(b"server") == b"redis" and _numbers(version) < OLDEST:
            raise RefusedError(f"Redis at {self._where} is {version}; Chatterbox needs {_dotted(OLDEST)} or newer")

    @property
    def _where(self) -> str:
        return str(getattr(self._connection, "path", "")) or f"{self._connection.host}:{self._connection.port}"

    def _explained(self, problem: BaseException, within_s: float) -> BaseException:
        """What an operator can do something with."""
        if isinstance(problem, AuthenticationWrongNumberOfArgsError) or "unknown command" in str(problem):
            return RefusedError(f"Redis at {self._where} is too old; Chatterbox needs {_dotted(OLDEST)} or newer")
        if isinstance(problem, AuthenticationError):
            why = "it asks for a password" if "HELLO must" in str(problem) else str(problem)
            return RefusedError(f"Redis at {self._where} refuses the user or password in CHATTERBOX_REDIS_URL: {why}")
        if isinstance(problem, InvalidResponse):
            return RefusedError(f"what answers at {self._where} is not Redis; check CHATTERBOX_REDIS_URL")
        if isinstance(problem, TimeoutError):
            return TimeoutError(f"nothing that speaks Redis answers at {self._where} within {within_s:g} s")
        return problem

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
        """At once: the other end may be gone, and what was not sent yet is not waited for."""
        if (writer := self._connection._writer) is not None:  # noqa: SLF001 - redis-py would wait for it to be sent
            writer.transport.abort()
        await self._connection.disconnect(nowait=True)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
