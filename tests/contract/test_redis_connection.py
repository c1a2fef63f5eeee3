"""Errors when connecting to Redis: not Redis, too old, silent, or access denied."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from chatterbox.chassis.redis.redis_connection import FAILURES, RedisConnection
from tests.contract.conftest import Server

WITHIN_S = 10.0
Reply = Callable[[bytes], bytes]


@asynccontextmanager
async def server_replying(reply: Reply) -> AsyncIterator[str]:
    """A server that replies to each request with `reply(request)`; yields its Redis URL."""

    ended: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        done = asyncio.Event()
        ended.append(done)
        with contextlib.suppress(ConnectionError):
            while request := await reader.read(4096):
                writer.write(reply(request))
        writer.close()
        done.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        yield f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        await asyncio.gather(*(each.wait() for each in ended))


async def _open(url: str, within_s: float = WITHIN_S) -> RedisConnection:
    return await RedisConnection.open(url, within_s, lambda _: None)


async def _error_of(opening: Awaitable[RedisConnection]) -> str:
    with pytest.raises(FAILURES) as caught:
        await opening
    return str(caught.value)


def _hello_reply(server: str, version: str) -> Reply:
    words = ["server", server, "version", version]
    hello = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    return lambda request: (hello if b"HELLO" in request else "+OK\r\n").encode()


def _without_hello(request: bytes) -> bytes:
    return b"-ERR unknown command `HELLO`, with args beginning with: `2`, \r\n" if b"HELLO" in request else b"+OK\r\n"


def _without_acl(request: bytes) -> bytes:
    return b"-ERR wrong number of arguments for 'auth' command\r\n" if b"AUTH" in request else _without_hello(request)


@pytest.mark.parametrize("version", ["6.0.20", "6.1.9"])
async def test_redis_older_than_6_2_is_refused_with_both_versions(version: str) -> None:
    async with server_replying(_hello_reply("redis", version)) as url:
        problem = await _error_of(_open(url))
        assert problem.endswith(f" is {version}; Chatterbox needs 6.2 or newer")


@pytest.mark.parametrize(("server", "version"), [("redis", "6.2.0"), ("redis", "10.0"), ("valkey", "1.0")])
async def test_newer_redis_and_any_valkey_are_accepted(server: str, version: str) -> None:
    async with server_replying(_hello_reply(server, version)) as url:
        await (await _open(url)).close()


async def test_redis_older_than_6_without_hello_or_acl_is_refused_as_too_old() -> None:
    async with server_replying(_without_hello) as url:
        assert "is too old; Chatterbox needs 6.2 or newer" in await _error_of(_open(url))
    async with server_replying(_without_acl) as url:
        with_user = url.replace("//", "//user:password@")
        assert "is too old; Chatterbox needs 6.2 or newer" in await _error_of(_open(with_user))


async def test_a_server_that_is_not_redis_is_reported() -> None:
    async with server_replying(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        problem = await _error_of(_open(url))
        assert problem == f"the server at {url.removeprefix('redis://')} is not Redis; check CHATTERBOX_REDIS_URL"


async def test_a_silent_server_is_reported_after_the_timeout() -> None:
    async with server_replying(lambda _: b"") as url:
        address = url.removeprefix("redis://")
        assert await _error_of(_open(url, 0.5)) == f"no Redis server answered at {address} within 0.5 s"


async def test_wrong_or_missing_credentials_name_the_setting(server: Server) -> None:
    await server.command("ACL", "SETUSER", "app", "on", ">right", "-@all", "+hello")
    await (await _open(server.url.replace("//", "//app:right@"))).close()
    await server.command("CONFIG", "SET", "requirepass", "secret")
    for user in ("app:wrong@", "nobody:right@", ""):
        problem = await _error_of(_open(server.url.replace("//", f"//{user}")))
        assert "refuses the user or password in CHATTERBOX_REDIS_URL" in problem


async def test_a_user_without_permission_for_hello_may_connect(server: Server) -> None:
    await server.command("ACL", "SETUSER", "terse", "on", ">right", "-@all", "+publish")
    await (await _open(server.url.replace("//", "//terse:right@"))).close()
