"""Probes a server over the network: DNS, TCP, TLS, HTTP. Returns facts without judging them."""

import asyncio
import errno
import http.client
import socket
import ssl
import time

import httpx

from client.doctor.http_checks import HttpAnswer
from client.doctor.reach_checks import ConnectAttempt, ResolvedNames, Target, TlsResult
from client.net.failure_reason import reason
from client.net.http_api import connection_options
from client.net.proxy_route import route_to, tls_context
from client.net.user_agent import USER_AGENT

TIMEOUT_S = 10.0
CONNECT_S = 5.0
ADDRESSES = 4
"""Number of a name's addresses that are tried."""
BODY_BYTES = 262_144
_NO_ROUTE = {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


async def resolve(target: Target) -> ResolvedNames:
    """Resolve the name of the first hop; each address once."""
    started_s = time.monotonic()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(target.hop_host, target.hop_port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        return ResolvedNames((), time.monotonic() - started_s, reason(problem))
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    return ResolvedNames(tuple(addresses), time.monotonic() - started_s)


async def connect_to(target: Target, names: ResolvedNames) -> list[ConnectAttempt]:
    """Connect to each address separately, so that a dead one shows."""
    return await asyncio.gather(*(_connect(address, target.hop_port) for address in names.addresses[:ADDRESSES]))


async def _connect(address: str, port: int) -> ConnectAttempt:
    started_s = time.monotonic()
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(address, port)
    except OSError as problem:
        number = problem.errno
        took_s = time.monotonic() - started_s
        return ConnectAttempt(address, took_s, reason(problem), number == errno.ECONNREFUSED, number in _NO_ROUTE)
    took_s = time.monotonic() - started_s
    writer.transport.abort()
    return ConnectAttempt(address, took_s)


async def tls_handshake(target: Target, proxy: str) -> TlsResult | None:
    """Do a TLS handshake with the server, through `proxy` if it is set; None if that is not an HTTP proxy."""
    if not target.secure or (proxy and not proxy.startswith("http://")):
        return None
    return await asyncio.to_thread(_tls_handshake, target, proxy)


def _tls_handshake(target: Target, proxy: str) -> TlsResult:
    context = tls_context()
    connection = http.client.HTTPSConnection(target.hop_host, target.hop_port, timeout=TIMEOUT_S, context=context)
    if proxy:
        connection.set_tunnel(target.host, target.port, _credentials(proxy))
    try:
        connection.connect()
        return _established(connection.sock)
    except (OSError, http.client.HTTPException) as problem:
        return _not_established(problem)
    finally:
        connection.close()


def _not_established(problem: Exception) -> TlsResult:
    if isinstance(problem, ssl.SSLCertVerificationError):
        return TlsResult(problem=reason(problem), verify_code=problem.verify_code)
    if isinstance(problem, ssl.SSLError) and problem.reason:
        return TlsResult(problem=f"no TLS handshake: {problem.reason.replace('_', ' ').lower()}", reason=problem.reason)
    return TlsResult(problem=f"no TLS handshake: {reason(problem)}")


def _credentials(proxy: str) -> dict[str, str]:
    """The proxy's credentials as a header, in the encoding of `httpx`."""
    auth = httpx.Proxy(proxy).raw_auth
    if auth is None:
        return {}
    request = next(httpx.BasicAuth(*auth).auth_flow(httpx.Request("CONNECT", "http://proxy")))
    return {"Proxy-Authorization": request.headers["Authorization"]}


def _established(socket_: ssl.SSLSocket) -> TlsResult:
    certificate = socket_.getpeercert() or {}
    valid_from_s, valid_until_s = (
        ssl.cert_time_to_seconds(str(certificate[name])) for name in ("notBefore", "notAfter")
    )
    return TlsResult(socket_.version() or "TLS", valid_from_s, valid_until_s)


async def get(server: str, path: str, token: str | None = None) -> HttpAnswer:
    """GET a path. Redirects are not followed, so that the token reaches no other server."""
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    try:
        options = connection_options(server, route_to(server))
        async with (
            asyncio.timeout(TIMEOUT_S),
            httpx.AsyncClient(headers=headers, timeout=TIMEOUT_S, **options) as client,
        ):
            started_s, started_at_s = time.monotonic(), time.time()
            async with client.stream("GET", f"{server}{path}") as response:
                took_s = time.monotonic() - started_s
                fields = {name.lower(): value for name, value in response.headers.items()}
                body = await _body(response)
            return HttpAnswer(response.status_code, fields, body, took_s, started_at_s + took_s / 2)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as problem:
        return HttpAnswer(problem=reason(problem))


async def _body(response: httpx.Response) -> bytes:
    """The first bytes of a body: a response may never end."""
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) >= BODY_BYTES:
            break
    return body[:BODY_BYTES]
