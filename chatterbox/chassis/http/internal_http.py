"""Calls between services: JSON over keep-alive HTTP connections, with a deadline and the caller's service key.

In one process the same calls go through ASGI without a socket; only the transport differs.
"""

from functools import lru_cache
from typing import TypeVar

import httpx
import msgspec
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from chatterbox.chassis.core.caller_keys import CallerKeys, ServiceName
from chatterbox.chassis.deadlines import deadline
from chatterbox.chassis.http.clock_skew import ClockSkew, ClockSkewTransport
from chatterbox.chassis.observability import request_ids
from chatterbox.wire import untrusted_json
from chatterbox.wire.errors import ChatError, Code

T = TypeVar("T")

DEADLINE_S = 5.0
"""Timeout of a call between services (seconds)."""
CONNECT_S = 2.0
"""Part of it that connecting may take (seconds)."""
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=2, keepalive_expiry=60)
"""Connections to one service. Few are kept alive, or every burst of calls would leave its connections open on both
sides. They expire before the service closes them (`timeout_keep_alive` in `serve.config`)."""
RETRIES_PER_CALL = 0.1
RETRIES_BURST = 10.0
"""The retry budget: its growth per call, and its maximum."""


def in_process(app: ASGIApp, service_key: str) -> httpx.AsyncClient:
    """A client that calls `app` in this process."""
    return _client("http://in-process", service_key, httpx.ASGITransport(app, raise_app_exceptions=False))


def over_network(base_url: str, service_key: str, skew: ClockSkew | None = None) -> httpx.AsyncClient:
    """A client that calls the service at `base_url`, and measures its clock in `skew`."""
    network = RetryOnceTransport(httpx.AsyncHTTPTransport(limits=LIMITS, trust_env=False))
    return _client(base_url, service_key, ClockSkewTransport(network, skew or ClockSkew()))


def _client(base_url: str, service_key: str, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=base_url,
        transport=transport,
        timeout=httpx.Timeout(None, connect=CONNECT_S),
        headers={"Authorization": f"Bearer {service_key}", "Content-Type": "application/json"},
        trust_env=False,
    )


class RetryOnceTransport(httpx.AsyncBaseTransport):
    """Repeats a request once if its connection ended without a response, as keep-alive connections do at a restart.

    Every call between services may be repeated: messages carry idempotency keys, all other calls are idempotent. The
    retry budget is a tenth of all calls, so that the load on a failing service does not double.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self._budget = RETRIES_BURST

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._budget = min(RETRIES_BURST, self._budget + RETRIES_PER_CALL)
        try:
            return await self._send(request)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if self._budget < 1:
                raise
            self._budget -= 1
            return await self._send(request)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._inner.handle_async_request(request)
        except AttributeError as failure:  # raised by anyio if the peer is gone before it inspects the socket
            raise httpx.ConnectError("the connection ended while it was being opened") from failure

    async def aclose(self) -> None:
        await self._inner.aclose()


class UnavailableError(ChatError):
    """A call failed. `why` is the reason for the operator, `detail` the message for users."""

    def __init__(self, why: str) -> None:
        super().__init__(Code.UNAVAILABLE, retry_after_s=1.0)
        self.why = why


class _Problem(msgspec.Struct):
    code: str
    detail: str
    retry_after_s: float | None = None


async def call(http: httpx.AsyncClient, method: str, path: str, body: object, result: type[T]) -> T:
    """Call another service on behalf of the current request; `body` and the result are msgspec structs.

    Raises `ChatError`: the service's own refusal, or `unavailable` if it does not answer in time or its response can't
    be decoded. The call may have taken effect in spite of `unavailable`.
    """
    content = None if body is None else msgspec.json.encode(body)
    headers = {request_ids.HEADER: request_ids.current() or request_ids.new()}
    where = str(http.base_url).rstrip("/")
    try:
        async with deadline(DEADLINE_S):
            response = await http.request(method, _url(where, path), content=content, headers=headers)
    except (httpx.HTTPError, TimeoutError) as failure:
        raise no_answer(where, failure) from failure
    if not response.is_success:
        raise refusal(where, path, response.status_code, response.content)
    try:
        return untrusted_json.decode_json(response.content, result)
    except ValueError:
        raise unexpected_service(where, path) from None


@lru_cache(256)
def _url(where: str, path: str) -> httpx.URL:
    """The address of a call; joining it with the client's `base_url` would be a seventh of the time of each call."""
    return httpx.URL(f"{where}{path}")


def refusal(where: str, path: str, status: int, content: bytes) -> ChatError:
    """The error for a response without success: the service's own refusal, or `unavailable` if the setup is wrong."""
    try:
        problem = untrusted_json.decode_json(content, _Problem)
        error = ChatError(Code(problem.code), problem.detail, retry_after_s=problem.retry_after_s)
    except ValueError:  # not JSON, or an unknown code
        return unexpected_service(where, path)
    if error.code is Code.SERVICE_KEY_INVALID:
        return UnavailableError(
            f"{where} refuses our service key; its CHATTERBOX_CALLER_KEYS must contain the digest of our "
            "CHATTERBOX_SERVICE_KEY, or both services must have the same key"
        )
    if error.code in {Code.NOT_FOUND, Code.METHOD_NOT_ALLOWED}:
        return unexpected_service(where, path)
    if error.status >= 500:
        return UnavailableError(f"{where} answered {status}; see its log")
    return error


def no_answer(where: str, failure: Exception) -> UnavailableError:
    """The service can't be reached, or did not answer in time."""
    return UnavailableError(f"no answer from {where}: {str(failure) or type(failure).__name__}")


def unexpected_service(where: str, path: str) -> UnavailableError:
    """The server at `where` does not know `path`."""
    return UnavailableError(
        f"the server at {where} does not know {path}: it is another service, or another version; "
        "check CHATTERBOX_AUTH_URL and CHATTERBOX_HISTORY_URL"
    )


def why(problem: ChatError) -> str:
    """The reason as shown to the operator, in logs and by commands."""
    return problem.why if isinstance(problem, UnavailableError) else problem.detail


async def read(request: Request, body: type[T]) -> T:
    """Decode the body of a call; raises `bad_request`."""
    try:
        return untrusted_json.decode_json(await request.body(), body)
    except untrusted_json.UnreadableError as problem:
        raise ChatError(Code.BAD_REQUEST, str(problem)) from None


def write(result: object) -> Response:
    """The response to a call, with `result` as JSON."""
    return Response(msgspec.json.encode(result), media_type="application/json")


def require_caller(request: HTTPConnection, keys: CallerKeys, *allowed: ServiceName) -> None:
    """Raise `service_key_invalid` unless the request carries the key of one of the services `allowed`."""
    if not keys.are_allowed(request.headers.get("authorization", ""), *allowed):
        raise ChatError(Code.SERVICE_KEY_INVALID)
