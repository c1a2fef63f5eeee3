"""One connection to Redis that is what it seems: it never reconnects by itself, and whoever uses it sees it end.

redis-py's own `PubSub` and pooled clients reconnect silently, and what was published meanwhile is gone without a sign.
So each `RedisConnection` is opened once, and thrown away at the first failure.

Opening it also finds out what is at the other end: `HELLO 2` names server and version, and needs Redis 6.0. What our
ACL file says (a user for each service, kept to our channels) needs 6.2, so that is the oldest that is served.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any, Self, cast

import hiredis
from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    InvalidResponse,
    NoPermissionError,
    RedisError,
    ResponseError,
)

from chatterbox.chassis.deadlines import deadline

OLDEST = (6, 2)
"""The first Redis with all that we ask of it."""
FAILURES = (RedisError, OSError, TimeoutError)
"""What any method of a line may raise; after that it is of no use."""
Command = tuple[str | bytes, ...]
OnAnswer = Callable[[Any], None]
"""Called with each answer or push of Redis, in order; an error that it answers comes as an exception, not raised."""


class RedisRefusedError(RedisError):
    """Something is there and can't be used; it says what, and what to do. Waiting does not mend it."""


class RedisConnection:
    """An open connection. redis-py opens it (address, TLS, login); then the transport is ours, and hiredis parses."""

    def __init__(self, connection: Connection, on_answer: OnAnswer) -> None:
        """`connection` is between an answer and the next command: nothing has come that it has not read."""
        writer = connection._writer  # noqa: SLF001 - there is no other way to its transport
        if writer is None:
            raise ConnectionError("the connection is closed")
        self._connection = connection
        self._answers = _Answers(cast("asyncio.Transport", writer.transport), on_answer)

    @classmethod
    async def open(cls, url: str, within_s: float, on_answer: OnAnswer) -> Self:
        """Connect and log in within `within_s` seconds; raises one of `FAILURES`."""
        pool = ConnectionPool.from_url(
            url,
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=within_s,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
        )
        connection = pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with deadline(within_s):
                await connection.connect()
                await _introduce(connection)
            return cls(connection, on_answer)
        except BaseException as problem:
            await _close(connection)
            if isinstance(problem, FAILURES):
                raise _explained(problem, _where(connection), within_s) from problem
            raise

    @property
    def ended(self) -> "asyncio.Future[Exception]":
        """Done when the connection is over; the result is why, one of `FAILURES`."""
        return self._answers.ended

    @property
    def is_open(self) -> bool:
        return not self.ended.done()

    def write(self, commands: Sequence[Command]) -> None:
        """Send commands in one go, without waiting for their answers; after the end nothing is sent."""
        if self.is_open:
            self._answers.transport.write(b"".join([_packed(command) for command in commands]))

    async def close(self) -> None:
        """At once: the other end may be gone, and what was not sent yet is not waited for."""
        await _close(self._connection)


async def _introduce(connection: Connection) -> None:
    """Raises where the other end is not Redis, does not know us, or is too old."""
    await connection.send_command("HELLO", "2", check_health=False)
    try:
        answer = await connection.read_response(timeout=math.inf)
    except NoPermissionError:
        return  # an operator's own rules; users with rules are as new as we need
    said = {key: value for key, value in zip(answer[::2], answer[1::2], strict=True) if isinstance(value, bytes)}
    version = said.get(b"version", b"").decode()
    if said.get(b"server") == b"redis" and _numbers(version) < OLDEST:
        raise RedisRefusedError(
            f"Redis at {_where(connection)} is {version}; Chatterbox needs {_dotted(OLDEST)} or newer"
        )


async def _close(connection: Connection) -> None:
    if (writer := connection._writer) is not None:  # noqa: SLF001 - redis-py would wait for it to be sent
        writer.transport.abort()
    await connection.disconnect(nowait=True)


def _where(connection: Connection) -> str:
    return str(getattr(connection, "path", "")) or f"{connection.host}:{connection.port}"


def _explained(problem: BaseException, where: str, within_s: float) -> BaseException:
    """What an operator can do something with."""
    if isinstance(problem, AuthenticationWrongNumberOfArgsError) or "unknown command" in str(problem):
        return RedisRefusedError(f"Redis at {where} is too old; Chatterbox needs {_dotted(OLDEST)} or newer")
    if isinstance(problem, AuthenticationError):
        why = "it asks for a password" if "HELLO must" in str(problem) else str(problem)
        return RedisRefusedError(f"Redis at {where} refuses the user or password in CHATTERBOX_REDIS_URL: {why}")
    if isinstance(problem, InvalidResponse):
        return RedisRefusedError(f"what answers at {where} is not Redis; check CHATTERBOX_REDIS_URL")
    if isinstance(problem, TimeoutError):
        return TimeoutError(f"nothing that speaks Redis answers at {where} within {within_s:g} s")
    return problem


def _packed(command: Command) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # its stub knows tuples of one word
    return packed


class _Answers(asyncio.Protocol):
    """Hands over each answer as it comes."""

    def __init__(self, transport: asyncio.Transport, on_answer: OnAnswer) -> None:
        self.transport = transport
        self.ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._on_answer = on_answer
        self._parser = hiredis.Reader(protocolError=InvalidResponse, replyError=_error)
        transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed(data)
            while (answer := self._parser.gets()) is not False:
                self._on_answer(answer)
        except FAILURES as problem:
            self._end(problem)
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("Redis closed the connection"))

    def _end(self, problem: Exception) -> None:
        if not self.ended.done():
            self.ended.set_result(problem)


def _error(said: str) -> ResponseError:
    return NoPermissionError(said.removeprefix("NOPERM ")) if said.startswith("NOPERM") else ResponseError(said)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
