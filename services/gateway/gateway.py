"""The gateway put together: what was handed in, what is made of it, and how it starts, drains and stops."""

import asyncio
import contextlib
import logging
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx

from chatterbox import __version__
from chatterbox.chassis.broker import Broker
from chatterbox.chassis.gc_tuning import GcScheduler
from chatterbox.chassis.observability import request_ids
from chatterbox.chassis.tasks import background
from chatterbox.chassis.token_verifier import AuthClient, TokenVerifier
from chatterbox.wire import broker_events, frames
from chatterbox.wire.auth_api import Revocation
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.untrusted_json import UnreadableError
from services.gateway import gauges, maintenance
from services.gateway.connections.command_handlers import CommandHandlers
from services.gateway.connections.connection import Connection, ConnectionState
from services.gateway.connections.hub import Hub
from services.gateway.connections.pacing import PacedQueue
from services.gateway.connections.welcome import WelcomeSequence
from services.gateway.metrics import GatewayMetrics
from services.gateway.rooms.catch_up import CatchUp
from services.gateway.rooms.memberships import Memberships
from services.gateway.rooms.room_feed import RoomFeed
from services.gateway.settings import GatewaySettings
from services.gateway.transport.keepalive import Keepalive
from services.gateway.transport.live_socket import LiveSocket
from services.gateway.upstream.append_batcher import AppendBatcher
from services.gateway.upstream.broker_watchdog import BrokerWatchdog
from services.gateway.upstream.dependencies import Dependencies
from services.gateway.upstream.history_client import AppendFunction, HistoryClient

log = logging.getLogger("chatterbox.gateway")

DEPARTURES = 4
"""Connections that are closed in one turn of the event loop once their peers have gone: half a millisecond's work."""
SETTLE_S = 5.0
"""Seconds that a stopping gateway waits for messages on their way to be acked or refused."""


class Gateway:
    """One gateway. `clock` is monotonic seconds, `now_s` seconds since 1970."""

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        limits: Limits,
        broker: Broker,
        auth: httpx.AsyncClient,
        history: httpx.AsyncClient,
        appending: AppendFunction,
        clock: Callable[[], float],
        now_s: Callable[[], float],
        metrics: GatewayMetrics | None = None,
    ) -> None:
        self._settings = settings
        self._now_s = now_s
        self.metrics = metrics or GatewayMetrics()
        auth_client = AuthClient(auth)
        store = HistoryClient(history, appending, clock)
        self.hub = Hub(limits, settings.connections, clock)
        self._verifier = TokenVerifier(auth_client.jwks, now_s)
        self._revoked = maintenance.RevokedSessions(self.hub, self._verifier, auth_client, broker)
        self._hearing = BrokerWatchdog(broker, clock, self.metrics)
        self.parts = Dependencies(broker, self._verifier, store, clock, self._hearing)
        self._feed = RoomFeed(self.hub, store, broker, settings.recent_messages, self.metrics)
        self._feed.on_control = self._on_control
        self._feed.on_doubt = self._revoked.doubt
        self._memberships = Memberships(self.hub, self._feed, store)
        self._catch_up = CatchUp(store, self.metrics)
        self._sends = AppendBatcher(store, self.metrics, clock)
        self._pulse = Keepalive(settings.ping_s)
        self._departures = PacedQueue(DEPARTURES)
        self._sweeper = GcScheduler()
        self._greeting = WelcomeSequence(
            self.hub,
            self._verifier,
            self._memberships,
            self._feed,
            self._catch_up,
            server=f"chatterbox/{__version__} {socket.gethostname()}:{settings.port}",
            ping_s=settings.ping_s,
            metrics=self.metrics,
        )
        self._commands = CommandHandlers(
            limits=limits,
            clock=clock,
            greeting=self._greeting,
            memberships=self._memberships,
            feed=self._feed,
            history=store,
            sends=self._sends,
            metrics=self.metrics,
        )
        gauges.watch(self.metrics, self.hub, self._sends, self._verifier)
        gauges.watch_broker(self.metrics, broker, self._hearing)
        gauges.watch_parts(self.metrics, self.parts)
        self.is_draining = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen to the broker and keep up until the block ends."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._feed.close)
            stack.push_async_callback(self._catch_up.close)
            stack.push_async_callback(self._hearing.close)
            await self._feed.start()
            await self._hearing.start()
            await self._revoked.load()
            for name, work in {
                "canaries": self._hearing.run(),
                "sends": self._sends.run(),
                "memberships": self._memberships.run(),
                "pings": self._pulse.run(),
                "seconds": maintenance.every_second(self.hub, self._settings.behind_s, self._now_s),
                "revocations": self._revoked.run(),
                "heads": maintenance.compare_with_history(
                    self.hub, self._feed, self._memberships, self._settings.heads_s
                ),
                **{f"watch_{part.name}": part.watch() for part in self.parts.all},
            }.items():
                await stack.enter_async_context(background(work, f"gateway.{name}"))
            yield

    @property
    def is_ready(self) -> bool:
        """Whether new connections belong here."""
        return not self.is_draining and self.parts.can_serve

    def admit(self, address: str) -> None:
        """Refuse a connection from `address` that can't be taken, before anything is spent on it."""
        if self.is_draining:
            raise ChatError(Code.UNAVAILABLE, "This gateway is about to stop; connect again.", retry_after_s=0.5)
        self.hub.admit(address)

    def open(self, live_socket: LiveSocket, address: str, token: str | None) -> None:
        """Take over a socket whose handshake is done."""
        connection = Connection(
            live_socket,
            address,
            request_ids.new(),
            self.hub.limits,
            self.hub.clock,
            self._commands.carry_out,
            self._closed,
            self.metrics,
        )
        self.metrics.opened.inc()
        self._sweeper.count()
        self.hub.add(connection)
        self._pulse.add(live_socket)
        live_socket.begin(connection, self._departures)
        self._greeting.begin(connection, token)

    def _closed(self, connection: Connection) -> None:
        self.hub.remove(connection)
        self.metrics.closed.inc()
        self._sweeper.count()
        log.info(
            "connection.closed",
            extra={
                "connection": connection.connection_id,
                "user_id": connection.member and connection.member.user_id,
                "seconds": round(self.hub.clock() - connection.opened_s, 1),
                "messages_in": connection.messages_in,
                "messages_out": connection.messages_out,
                "close_code": connection.close_code,
            },
        )

    async def drain(self) -> None:
        """Stop without loss: ask connections to move, spread over `drain_s`; let sends settle; close what is left."""
        self.is_draining = True
        drain_ms = int(self._settings.drain_s * 1000)
        for connection in tuple(self.hub.connections):
            if connection.state is ConnectionState.OPEN:
                connection.send(frames.Move(after_ms=random.randint(0, drain_ms)))  # noqa: S311 - a spread, no secret
        log.info("drain.started", extra={"connections": len(self.hub.connections)})
        await self._until_empty(self._settings.drain_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._sends.settle(), SETTLE_S)
        for connection in tuple(self.hub.connections):
            connection.close(CloseCode.RESTART)
        log.info("drain.finished")

    async def _until_empty(self, most_s: float) -> None:
        until_s = self.hub.clock() + most_s
        while self.hub.connections and self.hub.clock() < until_s:  # noqa: ASYNC110 - once in a process's life
            await asyncio.sleep(0.05)

    def _on_control(self, payload: bytes) -> None:
        try:
            event = broker_events.decode_control(payload)
        except UnreadableError:
            log.warning("control_event.unknown")
            return
        if isinstance(event, broker_events.SessionRevoked):
            self._revoked.add(Revocation(event.sid, event.expires))
        else:
            self._memberships.changed(event)
