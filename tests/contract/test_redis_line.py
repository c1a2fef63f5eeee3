"""What is at the other end of a Redis URL, said in a sentence: not Redis, too old, mute, or not for us."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from chatterbox.chassis.redis.redis_connection import FAILURES, RedisConnection
from tests.contract.conftest import Server

WITHIN_S = 10.0
Answer = Callable[[bytes], bytes]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """Something that listens and answers whatever is sent to it by `answer`; gives its Redis URL."""

    ended: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        done = asyncio.Event()
        ended.append(done)
        with contextlib.suppress(ConnectionError):
            while asked := await reader.read(4096):
                writer.write(answer(asked))
        writer.close()
        done.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        await asyncio.gather(*(each.wait() for each in ended))


async def _open(url: str, within_s: float = WITHIN_S) -> RedisConnection:
    return await RedisConnection.open(url, within_s, lambda _: None)


async def _problem(opening: Awaitable[RedisConnection]) -> str:
    with pytest.raises(FAILURES) as caught:
        await opening
    return str(caught.value)


def _introduced_as(server: str, version: str) -> Answer:
    words = ["server", server, "version", version]
    hello = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    return lambda asked: (hello if b"HELLO" in asked else "+OK\r\n").encode()


def _before_hello(asked: bytes) -> bytes:
    return b"-ERR unknown command `HELLO`, with args beginning with: `2`, \r\n" if b"HELLO" in asked else b"+OK\r\n"


def _before_users(asked: bytes) -> bytes:
    return b"-ERR wrong number of arguments for 'auth' command\r\n" if b"AUTH" in asked else _before_hello(asked)


@pytest.mark.parametrize("version", ["6.0.20", "6.1.9"])
async def test_a_redis_before_6_2_is_refused_and_both_versions_are_named(version: str) -> None:
    async with answering(_introduced_as("redis", version)) as url:
        problem = await _problem(_open(url))
        assert problem.endswith(f" is {version}; Chatterbox needs 6.2 or newer")


@pytest.mark.parametrize(("server", "version"), [("redis", "6.2.0"), ("redis", "10.0"), ("valkey", "1.0")])
async def test_a_newer_redis_and_any_valkey_will_do(server: str, version: str) -> None:
    async with answering(_introduced_as(server, version)) as url:
        await (await _open(url)).close()


async def test_a_redis_before_6_that_knows_no_hello_or_no_users_is_too_old() -> None:
    async with answering(_before_hello) as url:
        assert "is too old; Chatterbox needs 6.2 or newer" in await _problem(_open(url))
    async with answering(_before_users) as url:
        with_user = url.replace("//", "//user:password@")
        assert "is too old; Chatterbox needs 6.2 or newer" in await _problem(_open(with_user))


async def test_what_is_not_redis_is_called_so() -> None:
    async with answering(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        problem = await _problem(_open(url))
        assert problem == f"the server at {url.removeprefix('redis://')} is not Redis; check CHATTERBOX_REDIS_URL"


async def test_what_is_mute_is_named_when_the_time_is_over() -> None:
    async with answering(lambda _: b"") as url:
        where = url.removeprefix("redis://")
        assert await _problem(_open(url, 0.5)) == f"no Redis server answered at {where} within 0.5 s"


async def test_a_wrong_user_a_wrong_password_and_none_name_the_setting(server: Server) -> None:
    await server.command("ACL", "SETUSER", "app", "on", ">right", "-@all", "+hello")
    await (await _open(server.url.replace("//", "//app:right@"))).close()
    await server.command("CONFIG", "SET", "requirepass", "secret")
    for user in ("app:wrong@", "nobody:right@", ""):
        problem = await _problem(_open(server.url.replace("//", f"//{user}")))
        assert "refuses the user or password in CHATTERBOX_REDIS_URL" in problem


async def test_a_user_who_may_not_ask_for_the_version_is_let_be(server: Server) -> None:
    await server.command("ACL", "SETUSER", "terse", "on", ">right", "-@all", "+publish")
    await (await _open(server.url.replace("//", "//terse:right@"))).close()
