"""Looks at a server from outside: its name, its port, its certificate, its answers over HTTP. Notes facts only."""

import asyncio
import errno
import http.client
import socket
import ssl
import time
from contextlib import suppress

import httpx
from websockets.exceptions import InvalidURI
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from client.doctor.http_checks import HttpAnswer
from client.doctor.reach_checks import ConnectAttempt, ResolvedNames, Target, TlsResult
from client.net.dialer import socket_address
from client.net.failure_reason import reason
from client.net.user_agent import USER_AGENT

TIMEOUT_S = 10.0
CONNECT_S = 5.0
ADDRESSES = 4
"""As many of a name's addresses are tried."""
BODY_BYTES = 262_144
_NO_WAY = {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


def environment_proxy(server: str) -> str:
    """The proxy that the environment names for a server, as the client will take it; empty if there is none."""
    with suppress(InvalidURI, ValueError):
        return get_proxy(parse_uri(socket_address(server))) or ""
    return ""


async def look_up(target: Target) -> ResolvedNames:
    """Find the addresses of a name, each once."""
    began_s = time.monotonic()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(target.hop_host, target.hop_port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        return ResolvedNames((), time.monotonic() - began_s, reason(problem))
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    return ResolvedNames(tuple(addresses), time.monotonic() - began_s)


async def connect_to(target: Target, names: ResolvedNames) -> list[ConnectAttempt]:
    """Try each address on its own, so that one that is dead shows."""
    return await asyncio.gather(*(_connect(address, target.hop_port) for address in names.addresses[:ADDRESSES]))


async def _connect(address: str, port: int) -> ConnectAttempt:
    began_s = time.monotonic()
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(address, port)
    except OSError as problem:
        number = problem.errno
        took_s = time.monotonic() - began_s
        return ConnectAttempt(address, took_s, reason(problem), number == errno.ECONNREFUSED, number in _NO_WAY)
    took_s = time.monotonic() - began_s
    writer.transport.abort()
    return ConnectAttempt(address, took_s)


async def shake_hands(target: Target, via: str) -> TlsResult | None:
    """Do a TLS handshake with the server, through the proxy `via` if there is one; None if that is of another kind."""
    if not target.secure or (via and not via.startswith("http://")):
        return None
    return await asyncio.to_thread(_shake_hands, target, via)


def _shake_hands(target: Target, via: str) -> TlsResult:
    context = ssl.create_default_context()
    connection = http.client.HTTPSConnection(target.hop_host, target.hop_port, timeout=TIMEOUT_S, context=context)
    if via:
        connection.set_tunnel(target.host, target.port, _credentials(via))
    try:
        connection.connect()
        return _seen(connection.sock)
    except (OSError, http.client.HTTPException) as problem:
        return _not_seen(problem)
    finally:
        connection.close()


def _not_seen(problem: Exception) -> TlsResult:
    if isinstance(problem, ssl.SSLCertVerificationError):
        return TlsResult(problem=reason(problem), verify_code=problem.verify_code)
    if isinstance(problem, ssl.SSLError) and problem.reason:
        return TlsResult(problem=f"no TLS handshake: {problem.reason.replace('_', ' ').lower()}", reason=problem.reason)
    return TlsResult(problem=f"no TLS handshake: {reason(problem)}")


def _credentials(via: str) -> dict[str, str]:
    """What the proxy wants of who uses it; `httpx` knows how to write that."""
    auth = httpx.Proxy(via).raw_auth
    if auth is None:
        return {}
    request = next(httpx.BasicAuth(*auth).auth_flow(httpx.Request("CONNECT", "http://proxy")))
    return {"Proxy-Authorization": request.headers["Authorization"]}


def _seen(socket_: ssl.SSLSocket) -> TlsResult:
    certificate = socket_.getpeercert() or {}
    begins, ends = (ssl.cert_time_to_seconds(str(certificate[name])) for name in ("notBefore", "notAfter"))
    return TlsResult(socket_.version() or "TLS", begins, ends)


async def ask(server: str, path: str, token: str | None = None) -> HttpAnswer:
    """GET a path; redirects are not followed, so the token goes to nobody else."""
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with asyncio.timeout(TIMEOUT_S), httpx.AsyncClient(headers=headers, timeout=TIMEOUT_S) as client:
            began_s, began_at_s = time.monotonic(), time.time()
            async with client.stream("GET", f"{server}{path}") as response:
                took_s = time.monotonic() - began_s
                fields = {name.lower(): value for name, value in response.headers.items()}
                body = await _some(response)
            return HttpAnswer(response.status_code, fields, body, took_s, began_at_s + took_s / 2)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ImportError) as problem:
        return HttpAnswer(problem=reason(problem))


async def _some(response: httpx.Response) -> bytes:
    """The beginning of a body: whoever answers may never end."""
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) >= BODY_BYTES:
            break
    return body[:BODY_BYTES]
