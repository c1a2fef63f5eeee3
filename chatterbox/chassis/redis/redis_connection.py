"""One connection to Redis that never reconnects by itself: its user notices when it ends.

redis-py's own `PubSub` and pooled clients reconnect silently, and what was published in between is lost unnoticed. So a
`RedisConnection` is opened once and discarded at the first failure.

Opening also checks the server: `HELLO 2` returns its name and version, and needs Redis 6.0. The ACL file in `deploy/`
(a user per service, restricted to its channels) needs 6.2, so that is the oldest supported version.
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

MIN_VERSION = (6, 2)
"""The oldest supported Redis."""
FAILURES = (RedisError, OSError, TimeoutError)
"""What any method of a connection may raise; the connection is unusable afterwards."""
Command = tuple[str | bytes, ...]
OnReply = Callable[[Any], None]
"""Called with each reply or push of Redis, in order; an error reply is passed as an exception, not raised."""


class RedisRefusedError(RedisError):
    """The server can't be used; the message says why and what to do. Retrying does not help."""


class RedisConnection:
    """An open connection. redis-py opens it (address, TLS, login); then the transport is ours, and hiredis parses."""

    def __init__(self, connection: Connection, on_reply: OnReply) -> None:
        """`connection` must be idle: no unread bytes, no command in flight."""
        writer = connection._writer  # noqa: SLF001 - there is no other way to its transport
        if writer is None:
            raise ConnectionError("the connection is closed")
        self._connection = connection
        self._replies = _ReplyProtocol(cast("asyncio.Transport", writer.transport), on_reply)

    @classmethod
    async def open(cls, url: str, within_s: float, on_reply: OnReply) -> Self:
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
                await _check_server(connection)
            return cls(connection, on_reply)
        except BaseException as problem:
            await _close(connection)
            if isinstance(problem, FAILURES):
                raise _explained(problem, _address(connection), within_s) from problem
            raise

    @property
    def ended(self) -> "asyncio.Future[Exception]":
        """Done when the connection has ended; the result is the reason, one of `FAILURES`."""
        return self._replies.ended

    @property
    def is_open(self) -> bool:
        return not self.ended.done()

    def write(self, commands: Sequence[Command]) -> None:
        """Send commands in one write, without waiting for replies; does nothing after the connection has ended."""
        if self.is_open:
            self._replies.transport.write(b"".join([_packed(command) for command in commands]))

    async def close(self) -> None:
        """Close at once, without waiting for unsent bytes: the other end may be gone."""
        await _close(self._connection)


async def _check_server(connection: Connection) -> None:
    """Raise if the other end is not Redis, refuses the login, or is too old."""
    await connection.send_command("HELLO", "2", check_health=False)
    try:
        reply = await connection.read_response(timeout=math.inf)
    except NoPermissionError:
        return  # restricted by the operator's own ACL, which only a supported version has
    fields = {key: value for key, value in zip(reply[::2], reply[1::2], strict=True) if isinstance(value, bytes)}
    version = fields.get(b"version", b"").decode()
    if fields.get(b"server") == b"redis" and _parsed(version) < MIN_VERSION:
        raise RedisRefusedError(
            f"Redis at {_address(connection)} is {version}; Chatterbox needs {_dotted(MIN_VERSION)} or newer"
        )


async def _close(connection: Connection) -> None:
    if (writer := connection._writer) is not None:  # noqa: SLF001 - redis-py would wait for unsent bytes
        writer.transport.abort()
    await connection.disconnect(nowait=True)


def _address(connection: Connection) -> str:
    return str(getattr(connection, "path", "")) or f"{connection.host}:{connection.port}"


def _explained(problem: BaseException, address: str, within_s: float) -> BaseException:
    """The failure with a message that tells the operator what to do."""
    if isinstance(problem, AuthenticationWrongNumberOfArgsError) or "unknown command" in str(problem):
        return RedisRefusedError(f"Redis at {address} is too old; Chatterbox needs {_dotted(MIN_VERSION)} or newer")
    if isinstance(problem, AuthenticationError):
        reason = "it requires a password" if "HELLO must" in str(problem) else str(problem)
        return RedisRefusedError(f"Redis at {address} refuses the user or password in CHATTERBOX_REDIS_URL: {reason}")
    if isinstance(problem, InvalidResponse):
        return RedisRefusedError(f"the server at {address} is not Redis; check CHATTERBOX_REDIS_URL")
    if isinstance(problem, TimeoutError):
        return TimeoutError(f"no Redis server answered at {address} within {within_s:g} s")
    return problem


def _packed(command: Command) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # its stub knows tuples of one word
    return packed


class _ReplyProtocol(asyncio.Protocol):
    """Parses replies and passes each on as it arrives."""

    def __init__(self, transport: asyncio.Transport, on_reply: OnReply) -> None:
        self.transport = transport
        self.ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._on_reply = on_reply
        self._parser = hiredis.Reader(protocolError=InvalidResponse, replyError=_reply_error)
        transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed(data)
            while (reply := self._parser.gets()) is not False:
                self._on_reply(reply)
        except FAILURES as problem:
            self._end(problem)
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("Redis closed the connection"))

    def _end(self, problem: Exception) -> None:
        if not self.ended.done():
            self.ended.set_result(problem)


def _reply_error(text: str) -> ResponseError:
    return NoPermissionError(text.removeprefix("NOPERM ")) if text.startswith("NOPERM") else ResponseError(text)


def _parsed(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
