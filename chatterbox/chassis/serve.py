"""Serves an ASGI app with uvicorn: socket options, clear errors on bind, drain on SIGTERM or SIGINT.

The drain starts at the signal: uvicorn runs the lifespan's shutdown only after waiting for connections to close.
"""

import asyncio
import contextlib
import errno
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from chatterbox.chassis import gc_tuning, open_files
from chatterbox.chassis.core.host_names import AllowedHosts
from chatterbox.chassis.core.peer_address import TrustedProxies
from chatterbox.chassis.http.connection_limits import ConnectionLimits
from chatterbox.chassis.http.forwarded import ForwardedMiddleware
from chatterbox.chassis.http.host_check import HostCheckMiddleware
from chatterbox.chassis.http.http_protocol import HttpProtocol
from chatterbox.chassis.http.paced_requests import RequestPacingMiddleware
from chatterbox.chassis.http.request_rate import RequestRate, RequestRateMiddleware
from chatterbox.chassis.http.root_path import RootPathMiddleware
from chatterbox.chassis.http.security_headers import SecurityHeadersMiddleware
from chatterbox.chassis.observability.rate_limited_log import RateLimitedLog
from chatterbox.chassis.operator_errors import OperatorError, StartupErrorMiddleware
from chatterbox.wire.limits import Limits
from chatterbox.wire.rate_bounds import Rate

log = logging.getLogger("chatterbox.http")

UNREAD_MS = 120_000
"""The kernel drops a connection whose peer acknowledges no data for this long (milliseconds; RFC 5482). Uvicorn alone
would wait for ever."""
KEEPALIVE_IDLE_S = 60
"""Idle time after which the kernel sends TCP keepalive probes (seconds).

Without them, history would keep the RPC connection of a machine that has vanished.
"""
SEND_BUFFER_BYTES = 131_072
"""`SO_SNDBUF` of each connection (Linux doubles it). By default it grows to megabytes, which hides for minutes that a
peer does not read, and adds up over many slow peers."""
HTTP_CONNECTIONS = 2_000
"""Connections in all that a process accepts besides its live connections: idle ones, and those not yet upgraded."""
TICK_S = 1.0
"""How often the `Date` header of responses is refreshed (seconds)."""
Drain = Callable[[], Awaitable[None]]


class DrainingServer(uvicorn.Server):
    """A server that drains before it stops: the first signal starts the drain, a second one skips the rest of it."""

    def __init__(
        self, config: uvicorn.Config, drain: Drain, on_ready: Callable[[], None], *, stop_listening: bool = False
    ) -> None:
        super().__init__(config)
        self._drain = drain
        self._stop_listening = stop_listening
        self._on_ready = on_ready
        self._draining: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Stop now, whether drained or not."""
        self.should_exit = True
        self._stopped.set()

    async def main_loop(self) -> None:
        """Wait for `stop` instead of polling ten times per second as uvicorn does, so that an idle process sleeps."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._stopped.wait()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signature of a signal handler
        if self._loop is None:
            self.should_exit = True
        elif self._draining is None:
            self._loop.call_soon_threadsafe(self._start_draining)
        else:
            self.force_exit = sig == signal.SIGINT
            self._loop.call_soon_threadsafe(self.stop)

    def _start_draining(self) -> None:
        if self._draining is None:
            self._draining = asyncio.ensure_future(self._drain_and_stop())

    async def _drain_and_stop(self) -> None:
        if self._stop_listening:
            for server in self.servers:
                server.close()
        try:
            await self._drain()
        except Exception:
            log.exception("drain.failed")
        self.stop()


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to the address; raises `OperatorError` if it can't be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted sockets inherit all of these
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as problem:
        listener.close()
        raise OperatorError(_bind_error(host, port, problem)) from None
    listener.set_inheritable(True)
    return listener


def _bind_error(host: str, port: int, problem: Exception) -> str:
    number = getattr(problem, "errno", None)
    if number == errno.EADDRINUSE:
        return f"port {port} is already in use; stop the other program, or set CHATTERBOX_PORT to another port"
    if number == errno.EACCES:
        return f"port {port} requires privileges; set CHATTERBOX_PORT to one above 1023"
    return f"can't listen on {host}:{port}: {problem}; check CHATTERBOX_HOST and CHATTERBOX_PORT"


def config(
    app: ASGIApp,
    *,
    http_class: type[HttpProtocol] = HttpProtocol,
    frame_bytes: int = Limits().frame_bytes,
    connections: int = HTTP_CONNECTIONS,
    connections_per_address: int | None = None,
    requests: Rate | None = None,
    trusted_proxies: str = "",
    allowed_hosts: AllowedHosts | None = None,
    has_domain: bool = False,
    root_path: str = "",
    streamed_paths: Sequence[str] = (),
) -> uvicorn.Config:
    """The uvicorn configuration of every service; `http_class` handles protocol upgrades, if the service has any.

    Raises this process's soft limit of open files to the hard limit; `connections` is reduced to what fits under it.
    `connections_per_address` limits the HTTP connections of one address, trusted proxies excepted; `requests` limits
    the HTTP requests of one client's address.
    Without `allowed_hosts`, requests may name any host; with `has_domain`, responses over HTTPS carry HSTS. `root_path`
    is removed from the paths of requests. The bodies of requests to `streamed_paths` have no deadline here.
    """
    total = max(1, min(connections, open_files.raise_limit() - open_files.RESERVED))
    proxies = TrustedProxies(trusted_proxies)
    rate = None if requests is None else RequestRate(requests, proxies.trusts)
    counted = app if rate is None else RequestRateMiddleware(app, rate)
    checked = HostCheckMiddleware(ForwardedMiddleware(counted, proxies), allowed_hosts)
    secured = SecurityHeadersMiddleware(checked, has_domain=has_domain)
    invalid_requests = RateLimitedLog(log, "request.invalid")
    limits = ConnectionLimits(total, connections_per_address, proxies.trusts)
    return uvicorn.Config(
        StartupErrorMiddleware(RequestPacingMiddleware(RootPathMiddleware(secured, root_path))),
        http=type(
            http_class.__name__,
            (http_class,),
            {
                "limits": limits,
                "request_rate": rate,
                "invalid_requests": invalid_requests,
                "streamed_paths": tuple(f"{prefix}{path}" for path in streamed_paths for prefix in {"", root_path}),
            },
        ),
        ws="none",
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        ws_max_size=frame_bytes,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        backlog=4096,
    )


async def nothing_to_drain() -> None:
    """For services without long-lived connections: the server itself waits for requests in flight."""


def run(
    config: uvicorn.Config,
    listener: socket.socket,
    *,
    on_ready: Callable[[], None],
    drain: Drain = nothing_to_drain,
    stop_listening: bool = False,
) -> None:
    """Serve until a signal arrives and the drain is complete.

    `stop_listening` is for one of several replicas: new connections are refused as soon as it drains, so that a proxy
    tries the next replica. An HTTP error would be passed on to the client instead.
    """
    gc_tuning.freeze_startup_objects()
    DrainingServer(config, drain, on_ready, stop_listening=stop_listening).run(sockets=[listener])
