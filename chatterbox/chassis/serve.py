"""Serving an ASGI app with uvicorn: bind with a clear error, drain on a signal.

Drain starts from the signal itself: uvicorn runs the lifespan's shutdown only after it waited for connections.
"""

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Awaitable, Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from chatterbox.chassis import gc_tuning
from chatterbox.chassis.http.http_protocol import HttpProtocol
from chatterbox.chassis.operator_errors import OperatorError, StartupErrorMiddleware
from chatterbox.wire.limits import Limits

UNREAD_MS = 120_000
"""A peer that takes none of an answer for this long is cut off by the kernel (RFC 5482): uvicorn waits for ever."""
SILENT_S = 60
"""The kernel asks a peer from which nothing came for so long whether it is still there (seconds).

A machine that vanished never says so; without this, history would keep its line for ever.
"""
SEND_BUFFER_BYTES = 131_072
"""What the kernel holds for one connection (Linux doubles it). Left alone it grows to megabytes, which hides for
minutes whether a slow peer reads at all, and adds up when many stand still."""
TICK_S = 1.0
"""So often the date that answers carry is renewed (seconds)."""
Drain = Callable[[], Awaitable[None]]


class DrainingServer(uvicorn.Server):
    """A server that drains before it stops: the first signal starts it, a second one cuts it short."""

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
        """Stop now, drained or not."""
        self.should_exit = True
        self._stopped.set()

    async def main_loop(self) -> None:
        """Uvicorn looks ten times a second whether it should stop; here it is told, so an idle process may sleep."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._stopped.wait()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signal's interface
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
        with contextlib.suppress(Exception):
            await self._drain()
        self.stop()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises `OperatorError` when the address can't be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted sockets inherit all of these
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENT_S)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as problem:
        listener.close()
        raise OperatorError(_why_not(host, port, problem)) from None
    listener.set_inheritable(True)
    return listener


def _why_not(host: str, port: int, problem: Exception) -> str:
    number = getattr(problem, "errno", None)
    if number == errno.EADDRINUSE:
        return f"port {port} is taken; stop what listens there, or set CHATTERBOX_PORT to another"
    if number == errno.EACCES:
        return f"port {port} needs privileges; set CHATTERBOX_PORT to one above 1023"
    return f"can't listen on {host}:{port}: {problem}; check CHATTERBOX_HOST and CHATTERBOX_PORT"


def config(
    app: ASGIApp,
    *,
    http_class: type[HttpProtocol] = HttpProtocol,
    frame_bytes: int = Limits().frame_bytes,
    trusted_proxies: str = "",
) -> uvicorn.Config:
    """How every app here is served; `http_class` for one that takes over connections that switch protocols."""
    return uvicorn.Config(
        StartupErrorMiddleware(app),
        http=http_class,
        ws="none",
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        ws_max_size=frame_bytes,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        backlog=4096,
    )


async def nothing_to_drain() -> None:
    """For services that keep no connections: requests in flight are waited for by the server itself."""


def run(
    config: uvicorn.Config,
    listener: socket.socket,
    *,
    on_ready: Callable[[], None],
    drain: Drain = nothing_to_drain,
    stop_listening: bool = False,
) -> None:
    """Serve until a signal comes and everything is drained.

    `stop_listening` is for one of several replicas: as soon as it drains, new connections are refused, which makes
    any proxy try the next replica. A refusal in words would reach the client.
    """
    gc_tuning.spare()
    DrainingServer(config, drain, on_ready, stop_listening=stop_listening).run(sockets=[listener])
