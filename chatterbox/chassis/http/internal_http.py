"""Calls between services: JSON over one kept-open HTTP connection, with a deadline and the service key.

In one process the same calls go through ASGI without a socket; only the transport differs.
"""

import secrets
from typing import TypeVar

import httpx
import msgspec
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from chatterbox.chassis.deadlines import deadline
from chatterbox.chassis.http.clock_skew import ClockSkew, ClockSkewTransport
from chatterbox.chassis.observability import request_ids
from chatterbox.wire import untrusted_json
from chatterbox.wire.errors import ChatError, Code

T = TypeVar("T")

DEADLINE_S = 5.0
"""No call between services takes longer (seconds)."""
CONNECT_S = 2.0
"""Part of it, to connect."""
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=2, keepalive_expiry=60)
"""Connections to one service. Few are kept, or each rush of calls would leave its connections behind on both sides;
they are let go before the service would (`timeout_keep_alive` in `serve.config`)."""
RETRIES_PER_CALL = 0.1
RETRIES_AT_ONCE = 10.0


def in_process(app: ASGIApp, service_key: str) -> httpx.AsyncClient:
    """A client that calls `app` in this process."""
    return _client("http://in-process", service_key, httpx.ASGITransport(app, raise_app_exceptions=False))


def over_network(base_url: str, service_key: str, clocks: ClockSkew | None = None) -> httpx.AsyncClient:
    """A client that calls the service at `base_url`, and notes in `clocks` what time it is there."""
    network = RetryOnceTransport(httpx.AsyncHTTPTransport(limits=LIMITS, trust_env=False))
    return _client(base_url, service_key, ClockSkewTransport(network, clocks or ClockSkew()))


def _client(base_url: str, service_key: str, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=base_url,
        transport=transport,
        timeout=httpx.Timeout(None, connect=CONNECT_S),
        headers={"Authorization": f"Bearer {service_key}", "Content-Type": "application/json"},
        trust_env=False,
    )


class RetryOnceTransport(httpx.AsyncBaseTransport):
    """Asks once more where the connection ended without an answer, as kept-open ones do when a service restarts.

    Whatever one service asks of another may be asked twice: messages carry keys, the rest says the same again. The
    budget is a tenth of all calls, so that a service in trouble is not asked twice as much.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self._budget = RETRIES_AT_ONCE

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._budget = min(RETRIES_AT_ONCE, self._budget + RETRIES_PER_CALL)
        try:
            return await self._ask(request)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if self._budget < 1:
                raise
            self._budget -= 1
            return await self._ask(request)

    async def _ask(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._inner.handle_async_request(request)
        except AttributeError as failure:  # anyio's, where the other end is gone before it has looked at the socket
            raise httpx.ConnectError("the connection ended while it was made") from failure

    async def aclose(self) -> None:
        await self._inner.aclose()


class UnavailableError(ChatError):
    """A call came to nothing. `why` is for whoever runs the services, `detail` for users."""

    def __init__(self, why: str) -> None:
        super().__init__(Code.UNAVAILABLE, retry_after_s=1.0)
        self.why = why


class _Problem(msgspec.Struct):
    code: str
    detail: str
    retry_after_s: float | None = None


async def call(http: httpx.AsyncClient, method: str, path: str, body: object, answer: type[T]) -> T:
    """Ask another service, on behalf of the current request; `body` and the answer are msgspec structs.

    Raises `ChatError`: the service's own refusal, or `unavailable` when it can't be reached in time or
    answers what can't be read (what was asked may have been done all the same).
    """
    content = None if body is None else msgspec.json.encode(body)
    headers = {request_ids.HEADER: request_ids.current() or request_ids.new()}
    where = str(http.base_url).rstrip("/")
    try:
        async with deadline(DEADLINE_S):
            response = await http.request(method, path, content=content, headers=headers)
    except (httpx.HTTPError, TimeoutError) as failure:
        raise no_answer(where, failure) from failure
    if not response.is_success:
        raise refusal(where, path, response.status_code, response.content)
    try:
        return untrusted_json.decode_json(response.content, answer)
    except ValueError:
        raise another_service(where, path) from None


def refusal(where: str, path: str, status: int, content: bytes) -> ChatError:
    """What a service's refusal means for who asked it for `path`: it is theirs, or something is wrong between us."""
    try:
        problem = untrusted_json.decode_json(content, _Problem)
        refused = ChatError(Code(problem.code), problem.detail, retry_after_s=problem.retry_after_s)
    except ValueError:  # unreadable, or a code that is none of ours
        return another_service(where, path)
    if refused.code is Code.SERVICE_KEY_INVALID:
        return UnavailableError(f"{where} refuses our key; CHATTERBOX_SERVICE_KEY must be the same for all services")
    if refused.code in {Code.NOT_FOUND, Code.METHOD_NOT_ALLOWED}:
        return another_service(where, path)
    if refused.status >= 500:
        return UnavailableError(f"{where} answers {status}; its log says why")
    return refused


def no_answer(where: str, failure: Exception) -> UnavailableError:
    """The service can't be reached, or did not answer in time."""
    return UnavailableError(f"no answer from {where}: {str(failure) or type(failure).__name__}")


def another_service(where: str, path: str) -> UnavailableError:
    """Something answers that is not what we take it for."""
    return UnavailableError(
        f"what answers at {where} does not know {path}: another service, or another version; "
        "check CHATTERBOX_AUTH_URL and CHATTERBOX_HISTORY_URL"
    )


def why(problem: ChatError) -> str:
    """What an operator should read in the log, or be told by a command."""
    return problem.why if isinstance(problem, UnavailableError) else problem.detail


async def read(request: Request, body: type[T]) -> T:
    """Read the body of a call; raises `bad_request`."""
    try:
        return untrusted_json.decode_json(await request.body(), body)
    except untrusted_json.UnreadableError as problem:
        raise ChatError(Code.BAD_REQUEST, str(problem)) from None


def write(answer: object) -> Response:
    """Answer a call."""
    return Response(msgspec.json.encode(answer), media_type="application/json")


def require_service_key(request: HTTPConnection, service_key: str) -> None:
    """Let only our own services in; raises `service_key_invalid`."""
    given = request.headers.get("authorization", "")
    if not secrets.compare_digest(given.encode(), f"Bearer {service_key}".encode()):
        raise ChatError(Code.SERVICE_KEY_INVALID)
