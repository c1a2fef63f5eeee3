"""Calls between services: retries, and undecodable responses."""

import httpx
import pytest
from starlette.requests import Request

from chatterbox.chassis.http.internal_http import RETRIES_BURST, RetryOnceTransport, UnavailableError, call, read
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import Heads

URL = "http://history/internal/append"


class Faulty(httpx.AsyncBaseTransport):
    """Raises each of `faults` in turn, then responds with the request's body."""

    def __init__(self, *faults: type[Exception]) -> None:
        self.faults = list(faults)
        self.requests = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if self.faults:
            raise self.faults.pop(0)("gone")
        return httpx.Response(200, content=await request.aread())


@pytest.mark.parametrize("fault", [httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError])
async def test_a_call_on_a_stale_connection_is_retried(fault: type[httpx.TransportError]) -> None:
    faulty = Faulty(fault)
    async with httpx.AsyncClient(transport=RetryOnceTransport(faulty)) as http:
        assert (await http.post(URL, content=b"batch")).content == b"batch"
    assert faulty.requests == 2


@pytest.mark.parametrize("fault", [httpx.ConnectError, httpx.ReadTimeout, httpx.ConnectTimeout])
async def test_connect_errors_and_timeouts_are_not_retried(fault: type[httpx.TransportError]) -> None:
    faulty = Faulty(fault)
    async with httpx.AsyncClient(transport=RetryOnceTransport(faulty)) as http:
        with pytest.raises(fault):
            await http.post(URL, content=b"batch")
    assert faulty.requests == 1


async def test_retries_add_a_tenth_of_all_calls_at_most() -> None:
    faulty = Faulty(*[httpx.ReadError] * 10_000)
    async with httpx.AsyncClient(transport=RetryOnceTransport(faulty)) as http:
        for _ in range(200):
            with pytest.raises(httpx.ReadError):
                await http.post(URL)
    assert faulty.requests <= 200 * 1.1 + RETRIES_BURST


async def test_a_connection_lost_while_opening_is_unavailable() -> None:
    """anyio then raises an `AttributeError`, since the socket is gone."""
    async with httpx.AsyncClient(
        transport=RetryOnceTransport(Faulty(AttributeError)), base_url="http://history"
    ) as http:
        with pytest.raises(UnavailableError, match="unavailable"):
            await call(http, "GET", "/internal/heads", None, Heads)


DEEP = 100_000
UNDECODABLE = [
    b"",
    b"\xff",
    b'{"code":"\xff"}',
    b"{}",
    b"[" * DEEP,
    b'{"code":' * DEEP,
    b'{"code":"other","detail":""}',
]


@pytest.mark.parametrize("body", UNDECODABLE, ids=lambda body: f"{body[:20]!r}")
@pytest.mark.parametrize("status", [200, 404, 500])
async def test_an_undecodable_response_is_unavailable(status: int, body: bytes) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=body))
    async with httpx.AsyncClient(transport=transport, base_url="http://history") as http:
        with pytest.raises(UnavailableError, match="unavailable"):
            await call(http, "GET", "/internal/heads", None, Heads)


@pytest.mark.parametrize("body", UNDECODABLE, ids=lambda body: f"{body[:20]!r}")
async def test_an_undecodable_request_body_is_refused(body: bytes) -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body}

    with pytest.raises(ChatError) as refused:
        await read(Request({"type": "http", "method": "POST", "headers": []}, receive), Heads)
    assert refused.value.code is Code.BAD_REQUEST
