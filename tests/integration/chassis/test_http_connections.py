"""Deadlines and limits of HTTP connections, with raw bytes over loopback."""

import asyncio
import itertools
import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from chatterbox.chassis import open_files, serve
from chatterbox.chassis.http import http_protocol, request_rate
from chatterbox.wire.rate_bounds import Rate
from chatterbox.wire.rate_limits import REQUESTS_REFUSED_AT_ONCE
from tests.support import socket_server
from tests.support.peer import Peer, connected, dialled
from tests.support.waiting import until

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /unread HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"


async def _answer(_: Request) -> Response:
    return PlainTextResponse("ok")


APP = Starlette(routes=[Route("/", _answer), Route("/unread", _answer, methods=["POST"])])


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop used in production; its transports differ from asyncio's."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(http_protocol, "REQUEST_DEADLINE_S", 0.1)
    async with socket_server.served(serve.config(APP)) as port:
        yield port


async def answered(peer: Peer, request: bytes) -> str:
    peer.write(request)
    head = await peer.head()
    await peer.exactly(2)
    return head


@pytest.mark.parametrize("stray", [b"\r\n", b"\n", b"\r\n\r\n"])
async def test_a_stray_line_end_after_an_answer_does_not_disarm_the_deadline(port: int, stray: bytes) -> None:
    async with dialled(port) as peer:
        assert "200 OK" in await answered(peer, GET)
        peer.write(stray)
        assert (await peer.rest()).startswith(b"HTTP/1.1 408 ")


async def test_line_ends_do_not_extend_the_deadline(port: int) -> None:
    async with dialled(port) as peer:
        await answered(peer, GET)
        for _ in range(50):
            if not peer.writer.is_closing():
                peer.write(b"\r\n")
            await asyncio.sleep(0.02)  # fixed: line ends that arrive more often than the deadline
        assert peer.writer.is_closing()


async def test_a_body_after_its_answer_does_not_disarm_the_deadline(port: int) -> None:
    async with dialled(port) as peer:
        assert "200 OK" in await answered(peer, POST)
        peer.write(b"hello")
        assert (await peer.rest()).startswith(b"HTTP/1.1 408 ")


async def test_a_request_after_a_stray_line_end_is_answered(port: int) -> None:
    async with dialled(port) as peer:
        await answered(peer, GET)
        assert "200 OK" in await answered(peer, b"\r\n" + GET)


async def test_an_idle_connection_outlives_the_request_deadline(port: int) -> None:
    async with dialled(port) as peer:
        await answered(peer, GET)
        await asyncio.sleep(0.3)  # fixed: longer than the deadline of a request
        assert "200 OK" in await answered(peer, GET)


@asynccontextmanager
async def idle(port: int, count: int) -> AsyncIterator[list[Peer]]:
    """Connections that have had one answer each and stay open."""
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(dialled(port)) for _ in range(count)]
        for peer in peers:
            await answered(peer, GET)
        yield peers


async def is_accepted(port: int) -> bool:
    async with dialled(port) as peer:
        peer.write(GET)
        return "200 OK" in await peer.head()


async def test_connections_from_one_address_are_limited(caplog: pytest.LogCaptureFixture) -> None:
    config = serve.config(APP, connections_per_address=2)
    async with socket_server.served(config) as port:
        async with idle(port, 2) as peers:
            for _ in range(3):
                async with dialled(port) as refused:
                    answer = await refused.rest()
                    assert answer.startswith(b"HTTP/1.1 429 ")
                    assert b'"code":"too_many_connections","detail":"At most 2 connections per address.' in answer
            peers[0].end()
            await until(lambda: is_accepted(port), 10)
    warnings = [record for record in caplog.records if record.message == "connections.refused"]
    assert len(warnings) == 1


async def test_connections_in_all_are_limited() -> None:
    async with socket_server.served(serve.config(APP, connections=2)) as port, idle(port, 2):
        async with dialled(port) as refused:
            answer = await refused.rest()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: " in answer
    assert b'"code":"unavailable"' in answer


async def test_a_trusted_proxy_may_open_more_connections_than_one_address() -> None:
    config = serve.config(APP, connections_per_address=1, trusted_proxies="127.0.0.1")
    async with socket_server.served(config) as port, idle(port, 3):
        pass


async def test_requests_that_wait_for_one_event_continue_one_per_iteration() -> None:
    event = asyncio.Event()
    waiting = steps = 0

    async def wait(_: Request) -> Response:
        nonlocal waiting, steps
        waiting += 1
        await event.wait()
        steps += 1
        return PlainTextResponse("ok")

    async with (
        socket_server.served(serve.config(Starlette(routes=[Route("/", wait)]))) as port,
        AsyncExitStack() as stack,
    ):
        for _ in range(20):
            (await stack.enter_async_context(dialled(port))).write(GET)
        await until(lambda: waiting == 20, 10)
        event.set()
        counts = [0]
        while steps < 20:
            await asyncio.sleep(0)
            counts.append(steps)
    assert max(after - before for before, after in itertools.pairwise(counts)) == 1


async def _client(request: Request) -> Response:
    return PlainTextResponse(request.client.host if request.client else "")


class TestRequestRate:
    RATE = Rate(3, 1e-3)

    async def test_requests_beyond_the_rate_of_an_address_are_refused_on_every_connection(self) -> None:
        async with socket_server.served(serve.config(APP, requests=self.RATE)) as port:
            for expected in (["200"] * 2, ["200", "429", "429"]):
                async with dialled(port) as peer:
                    heads = [await _head(peer, GET) for _ in expected]
                    assert [head.split()[1] for head in heads] == expected
            assert int(heads[-1].lower().split("retry-after: ")[1].split()[0]) > 100

    async def test_each_client_of_a_trusted_proxy_has_a_rate_of_its_own(self) -> None:
        config = serve.config(APP, requests=self.RATE, trusted_proxies="127.0.0.1")
        async with socket_server.served(config) as port, httpx.AsyncClient(trust_env=False) as http:
            answers = {
                address: [
                    (await http.get(f"http://127.0.0.1:{port}/", headers={"X-Forwarded-For": address})).status_code
                    for _ in range(4)
                ]
                for address in ("203.0.113.7", "203.0.113.8", "2001:db8::1")
            }
            assert set(map(tuple, answers.values())) == {(200, 200, 200, 429)}
            neighbour = await http.get(f"http://127.0.0.1:{port}/", headers={"X-Forwarded-For": "2001:db8::2"})
            assert neighbour.status_code == 429

    async def test_refusals_of_an_address_that_floods_are_sent_a_second_later(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(request_rate, "DELAY_S", (0.2, 0.3))
        at_once = REQUESTS_REFUSED_AT_ONCE.bound.burst
        async with socket_server.served(serve.config(APP, requests=self.RATE)) as port, dialled(port) as peer:
            for _ in range(self.RATE.burst + at_once):
                await _head(peer, GET)
            began_s = asyncio.get_running_loop().time()
            heads = [await _head(peer, GET) for _ in range(2)]
            assert asyncio.get_running_loop().time() - began_s > 0.3
            assert [head.split()[1] for head in heads] == ["429", "429"]

    def test_refusals_that_are_held_back_do_not_return_at_one_moment(self) -> None:
        rate = request_rate.RequestRate(self.RATE, is_proxy=lambda _: False, clock=lambda: 0.0)
        delays_s = [rate.delay_s("203.0.113.7") for _ in range(REQUESTS_REFUSED_AT_ONCE.bound.burst + 20)]
        assert set(delays_s[:-20]) == {0.0}
        assert max(delays_s[-20:]) - min(delays_s[-20:]) > 0.1

    async def test_invalid_requests_count_and_their_refusals_wait_beyond_the_rate(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(request_rate, "DELAY_S", (0.2, 0.3))
        free = self.RATE.burst + REQUESTS_REFUSED_AT_ONCE.bound.burst
        async with socket_server.served(serve.config(APP, requests=self.RATE)) as port:
            for _ in range(free):
                assert (await _refused(port)).startswith(b"HTTP/1.1 400 ")
            async with dialled(port) as peer:
                assert "429" in await _head(peer, GET)
            began_s = asyncio.get_running_loop().time()
            answers = await asyncio.gather(*(_refused(port) for _ in range(20)))
            assert asyncio.get_running_loop().time() - began_s > 0.15
            assert all(answer.startswith(b"HTTP/1.1 400 ") for answer in answers)

    async def test_invalid_requests_of_a_trusted_proxy_are_not_counted(self) -> None:
        config = serve.config(APP, requests=self.RATE, trusted_proxies="127.0.0.1")
        async with socket_server.served(config) as port:
            for _ in range(2 * self.RATE.burst):
                await _refused(port)
            async with dialled(port) as peer:
                assert "200" in await _head(peer, GET)

    @pytest.mark.parametrize("path", ["/internal/heads", "/health/ready", "/metrics"])
    async def test_paths_for_services_and_operators_are_not_counted(self, path: str) -> None:
        async with socket_server.served(serve.config(APP, requests=self.RATE)) as port, dialled(port) as peer:
            heads = [await _head(peer, GET.replace(b"GET / ", f"GET {path} ".encode())) for _ in range(6)]
            assert {head.split()[1] for head in heads} == {"404"}


async def _refused(port: int) -> bytes:
    """The answer to an invalid request on a new connection."""
    async with dialled(port) as peer:
        peer.write(b"GET / HTTP/9.9\r\n\r\n")
        return await peer.rest()


async def _head(peer: Peer, request: bytes) -> str:
    """The head of the response to `request`; its body is read, too."""
    peer.write(request)
    head = await peer.head()
    await peer.exactly(int(head.lower().split("content-length: ")[1].split()[0]))
    return head


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
async def test_a_trusted_proxy_is_recognised_whatever_the_server_listens_on(host: str) -> None:
    config = serve.config(Starlette(routes=[Route("/", _client)]), trusted_proxies="127.0.0.1")
    async with socket_server.served(config, host) as port, httpx.AsyncClient(trust_env=False) as http:
        url = f"http://127.0.0.1:{port}/"
        assert (await http.get(url)).text == "127.0.0.1"
        assert (await http.get(url, headers={"X-Forwarded-For": "203.0.113.7"})).text == "203.0.113.7"


async def test_the_soft_limit_of_open_files_is_raised_to_the_hard_limit() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        serve.config(APP)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (open_files.target(before[1]), before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_the_limit_of_open_files_bounds_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_files, "raise_limit", lambda: open_files.RESERVED + 1)
    async with socket_server.served(serve.config(APP, connections=1000)) as port, idle(port, 1):
        async with dialled(port) as refused:
            assert (await refused.rest()).startswith(b"HTTP/1.1 503 ")


async def test_a_websocket_no_longer_counts_as_an_http_connection() -> None:
    async with socket_server.serving(lambda _: _Ignoring(), connections_per_address=1) as port:
        async with connected(port), connected(port):
            pass


class _Ignoring:
    def on_text(self, data: bytes) -> None: ...
    def on_binary(self) -> None: ...
    def on_full(self) -> None: ...
    def on_drained(self) -> None: ...
    def on_gone(self) -> None: ...
    def on_lost(self) -> None: ...
