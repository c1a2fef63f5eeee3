"""Both ends of a line over a real socket: how it begins and ends, and that a question gets its own answer or none."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette

from chatterbox.chassis import serve
from chatterbox.chassis.core.length_prefix import prefixed
from chatterbox.chassis.rpc.rpc_client import NotHttpError, RpcClient, open_rpc
from chatterbox.chassis.rpc.rpc_server import rpc_upgrade_protocol
from tests.support.live import served
from tests.support.waiting import until

KEY = "a key of these tests"
MOST_BYTES = 1_000_000
DEADLINE_S = 20.0
"""No test takes longer: a question that is never answered fails it (seconds)."""


class Echo:
    """Answers with what it was asked, once it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.may.set()
        self.asked: list[bytes] = []

    async def __call__(self, question: bytes) -> bytes:
        self.asked.append(question)
        await self.may.wait()
        return question


@pytest.fixture
def echo() -> Echo:
    return Echo()


@asynccontextmanager
async def at_port(echo: Echo, most_bytes: int = MOST_BYTES) -> AsyncIterator[str]:
    config = serve.config(Starlette(), http_class=rpc_upgrade_protocol("/line", KEY, echo, most_bytes))
    config.lifespan = "off"
    async with asyncio.timeout(DEADLINE_S), served(config) as port:
        yield f"http://127.0.0.1:{port}/line"


@asynccontextmanager
async def listening(serve_one: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]) -> AsyncIterator[str]:
    """Something else at the other end."""

    writers: list[asyncio.StreamWriter] = []

    async def served_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        serve_one(reader, writer)

    async with await asyncio.start_server(served_one, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/line"
        for writer in writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def opened(url: str, most_bytes: int = MOST_BYTES) -> AsyncIterator[RpcClient]:
    line = await open_rpc(url, KEY, most_bytes)
    try:
        yield line
    finally:
        line.abort()


@pytest.mark.parametrize("question", [b"", b"hello", b"x" * MOST_BYTES], ids=["empty", "small", "most"])
async def test_a_question_comes_and_its_answer_goes_back(echo: Echo, question: bytes) -> None:
    async with at_port(echo) as url, opened(url) as line:
        for _ in range(3):
            assert await line.call(question) == question


async def test_questions_that_come_together_are_answered_in_their_order(echo: Echo) -> None:
    async with at_port(echo) as url, opened(url) as line:
        line._transport.write(prefixed(b"1") + prefixed(b"2")[:3])
        line._transport.write(prefixed(b"2")[3:])
        assert await line.call(b"3") == b"1"  # whoever does not wait for answers gets the first that comes
        await until(lambda: echo.asked == [b"1", b"2", b"3"], 5)


async def test_a_question_that_is_too_large_ends_the_line_unread(echo: Echo) -> None:
    async with at_port(echo, most_bytes=100) as url, opened(url) as line:
        with pytest.raises(ConnectionError):
            await line.call(b"x" * 101)
        assert not echo.asked


async def test_an_answer_that_is_too_large_ends_the_line(echo: Echo) -> None:
    async with at_port(echo) as url, opened(url, most_bytes=100) as line:
        with pytest.raises(ConnectionError):
            await line.call(b"x" * 101)


async def test_a_line_that_has_ended_is_asked_nothing(echo: Echo) -> None:
    async with at_port(echo) as url, opened(url) as line:
        line.abort()
        with pytest.raises(ConnectionError):
            await line.call(b"hello")
        assert not echo.asked


async def test_a_server_that_stops_answers_what_it_was_asked_and_then_ends_the_line(echo: Echo) -> None:
    echo.may.clear()
    async with at_port(echo) as url:
        line = await open_rpc(url, KEY, MOST_BYTES)
        asking = asyncio.ensure_future(line.call(b"hello"))
        await until(lambda: echo.asked == [b"hello"], 5)
        asyncio.get_running_loop().call_later(0.2, echo.may.set)
    assert await asking == b"hello"
    with pytest.raises(ConnectionError):
        await line.call(b"more")


async def test_who_goes_amid_a_question_disturbs_nobody(echo: Echo) -> None:
    async with at_port(echo) as url, opened(url) as other:
        echo.may.clear()
        async with opened(url) as line:
            asking = asyncio.ensure_future(line.call(b"hello"))
            await until(lambda: echo.asked == [b"hello"], 5)
        with pytest.raises(ConnectionError):
            await asking
        echo.may.set()
        assert await other.call(b"and I") == b"and I"


async def test_what_does_not_speak_http_is_told_apart() -> None:
    async with listening(lambda _, writer: writer.write(b"220 mail.example ESMTP\r\n")) as url:
        with pytest.raises(NotHttpError):
            await open_rpc(url, KEY, MOST_BYTES)


async def test_what_hangs_up_at_once_is_no_connection() -> None:
    async with listening(lambda _, writer: writer.close()) as url:
        with pytest.raises(ConnectionError):
            await open_rpc(url, KEY, MOST_BYTES)


async def test_an_answer_that_comes_with_the_beginning_is_for_nobody() -> None:
    """It would be taken for the answer to the first question otherwise."""

    def too_early(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begin = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: chatterbox-line\r\n\r\n"
        writer.write(begin + prefixed(b"early"))

    async with listening(too_early) as url, opened(url) as line:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await line.call(b"hello")
