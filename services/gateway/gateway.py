"""Composes one gateway from its parts; starts, drains and stops it."""

import asyncio
import contextlib
import logging
import platform
import random
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from typing import assert_never

import httpx

from chatterbox import __version__
from chatterbox.chassis.broker import Broker
from chatterbox.chassis.gc_tuning import GcScheduler
from chatterbox.chassis.observability import request_ids
from chatterbox.chassis.pacing import PacedQueue
from chatterbox.chassis.revoked_sessions import RevokedSessions
from chatterbox.chassis.tasks import TaskSet, background
from chatterbox.chassis.token_verifier import AuthClient, TokenVerifier
from chatterbox.wire import broker_events, frames, rate_limits
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.untrusted_json import UnreadableError
from services.gateway import maintenance
from services.gateway.connections.command_handlers import CommandHandlers
from services.gateway.connections.connection import Connection
from services.gateway.connections.hub import Hub
from services.gateway.connections.welcome import WelcomeSequence
from services.gateway.inboxes.inbox_feed import InboxFeed
from services.gateway.metrics import GatewayMetrics
from services.gateway.presence.live_people import LivePeople
from services.gateway.rooms.catch_up import CatchUp
from services.gateway.rooms.memberships import Memberships
from services.gateway.rooms.read_batcher import ReadBatcher
from services.gateway.rooms.read_state_feed import ReadStateFeed
from services.gateway.rooms.room_feed import RoomFeed
from services.gateway.settings import GatewaySettings
from services.gateway.transport.keepalive import Keepalive
from services.gateway.transport.live_socket import LiveSocket
from services.gateway.upstream.append_batcher import AppendBatcher
from services.gateway.upstream.broker_watchdog import BrokerWatchdog
from services.gateway.upstream.encryption_client import EncryptionClient
from services.gateway.upstream.history_client import AppendFunction, HistoryClient
from services.gateway.upstream.readiness import Dependencies
from services.gateway.upstream.signal_channel import SignalChannel

log = logging.getLogger("chatterbox.gateway")

CLOSES_PER_TURN = rate_limits.CLOSES_PER_TURN.bound.limit
"""Connections closed per event-loop turn after their peers disconnected: half a millisecond's work."""
RELOAD_REVOCATIONS_S = 60.0
"""Time between requests for new revocations while the broker is up (seconds); the watchdog finds a silent broker."""
SETTLE_S = 5.0
"""Time that a stopping gateway waits until accepted messages are acked or refused (seconds)."""


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
        append: AppendFunction,
        clock: Callable[[], float],
        now_s: Callable[[], float],
        metrics: GatewayMetrics | None = None,
    ) -> None:
        self._settings = settings
        self._now_s = now_s
        self.metrics = metrics or GatewayMetrics()
        auth_client = AuthClient(auth)
        history_client = self._history = HistoryClient(history, append, clock)
        self.hub = Hub(limits, settings.connections, clock, self.metrics)
        self._verifier = TokenVerifier(auth_client.jwks, now_s)
        self._revoked = RevokedSessions(
            self._verifier,
            auth_client,
            broker,
            reload_s=RELOAD_REVOCATIONS_S,
            clock=clock,
            on_ended=self._end_sessions,
        )
        self.metrics.revocations.set_function(lambda: self._verifier.revocations)
        self._watchdog = BrokerWatchdog(broker, clock, self.metrics)
        self.dependencies = Dependencies(broker, self._verifier, history_client, clock, self._watchdog, self.metrics)
        self.feed = RoomFeed(
            history_client,
            broker,
            settings.recent_messages,
            clock,
            self.metrics,
            on_control=self._on_control,
            on_possible_loss=self._revoked.request_reload,
        )
        self._signals = SignalChannel(broker, self._on_signal, self._on_lost_signals, clock, self.metrics)
        self._people = LivePeople(
            settings,
            limits=limits,
            members=self.hub.members,
            feed=self.feed,
            history=history_client,
            broker=broker,
            channel=self._signals,
            clock=clock,
            now_s=now_s,
            metrics=self.metrics,
        )
        self._read_states = ReadStateFeed(
            self.hub.members,
            self.feed.rooms,
            history_client,
            self._signals.gateway,
            self.metrics,
            on_read=self._people.on_read,
        )
        self._memberships = Memberships(
            self.hub.members,
            self.feed,
            history_client,
            self._read_states.compare_entered,
            on_left=self._people.on_left,
            on_privacy=self._people.on_privacy,
            on_person=self._people.on_person,
            on_reloaded=self._people.on_reloaded,
        )
        encryption_client = EncryptionClient(history_client)
        self._inboxes = InboxFeed(
            self.hub.members, self.feed.rooms, encryption_client, settings.heads_interval_s, self.metrics
        )
        self._catch_up = CatchUp(history_client, self.feed.memory, self.metrics)
        self._batcher = AppendBatcher(history_client, self.metrics, clock)
        self._read_batcher = ReadBatcher(history_client, self._read_states, clock, self.metrics)
        self._keepalive = Keepalive(settings.ping_s)
        self._close_queue = PacedQueue(CLOSES_PER_TURN)
        self._gc_scheduler = GcScheduler()
        self._command_tasks = TaskSet()
        self._welcome = WelcomeSequence(
            self.hub,
            self._verifier,
            self._memberships,
            self.feed,
            self._catch_up,
            self._read_states,
            self._people,
            self._inboxes,
            server=f"chatterbox/{__version__} {platform.node()}:{settings.port}",
            ping_s=settings.ping_s,
            encryption=settings.encryption,
            metrics=self.metrics,
        )
        self._handlers = CommandHandlers(
            limits=limits,
            clock=clock,
            welcome=self._welcome,
            memberships=self._memberships,
            feed=self.feed,
            history=history_client,
            batcher=self._batcher,
            read_batcher=self._read_batcher,
            read_states=self._read_states,
            people=self._people,
            encryption=settings.encryption,
            encryption_client=encryption_client,
            inboxes=self._inboxes,
            metrics=self.metrics,
        )
        self.is_draining = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Subscribe to the broker and run all periodic work until the block ends."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.feed.close)
            stack.push_async_callback(self._memberships.close)
            stack.push_async_callback(self._catch_up.close)
            stack.push_async_callback(self._command_tasks.close)
            stack.push_async_callback(self._watchdog.close)
            stack.push_async_callback(self._read_states.close)
            stack.push_async_callback(self._signals.close)
            stack.push_async_callback(self._people.close)
            stack.push_async_callback(self._inboxes.close)
            await self.feed.start()
            await self._signals.start()
            await self._watchdog.start()
            await self._revoked.load()
            for name, work in {
                "canaries": self._watchdog.run(),
                "sends": self._batcher.run(),
                "reads": self._read_batcher.run(),
                "memberships": self._memberships.run(),
                "inboxes": self._inboxes.run(),
                **self._people.tasks(),
                "pings": self._keepalive.run(),
                "seconds": maintenance.every_second(self.hub, self._settings.stalled_s, self._now_s),
                "revocations": self._revoked.run(),
                "revision": maintenance.follow_revision(self.hub, self._history, self._memberships),
                "heads": maintenance.compare_with_history(
                    self.hub, self.feed, self._memberships, self._settings.heads_interval_s
                ),
                **{f"watch_{dependency.name}": dependency.watch() for dependency in self.dependencies.all},
            }.items():
                await stack.enter_async_context(background(work, f"gateway.{name}"))
            yield

    @property
    def is_ready(self) -> bool:
        """Whether the gateway accepts connections."""
        return not self.is_draining and self.dependencies.can_serve

    async def check_ready(self) -> None:
        """Raise `unavailable` unless the gateway accepts connections."""
        if self.is_draining:
            raise ChatError(Code.UNAVAILABLE, "It is shutting down.")
        if not self.dependencies.can_serve:
            raise ChatError(Code.UNAVAILABLE, "A service that it needs is down.")

    def admit(self, address: str) -> None:
        """Refuse a connection from `address` while draining or beyond a limit, before any work is done for it."""
        if self.is_draining:
            raise ChatError(Code.UNAVAILABLE, "This gateway is shutting down. Reconnect.", retry_after_s=0.5)
        self.hub.admit(address)

    def open(self, live_socket: LiveSocket, address: str, token: str | None) -> None:
        """Take over a socket after its handshake and welcome the connection."""
        connection = Connection(
            live_socket,
            address,
            request_ids.new(),
            self.hub.limits,
            self.hub.clock,
            self._handlers.handle,
            self._on_closed,
            self._command_tasks,
            self.metrics,
        )
        self.metrics.opened.inc()
        self._gc_scheduler.count()
        self.hub.add(connection)
        self._keepalive.add(live_socket)
        self._welcome.begin(connection, token)  # before `live_socket` passes on what was sent with the handshake
        live_socket.begin(connection, self._close_queue)

    def _on_closed(self, connection: Connection) -> None:
        self.hub.remove(connection)
        self._read_states.forget(connection)
        self._inboxes.forget(connection)
        if connection.member is not None and connection.claims is not None:
            self._people.close_connection(connection, connection.member, connection.claims.sid)
        self.metrics.closed.inc()
        self._gc_scheduler.count()
        log.debug(
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
        """Stop without loss: ask clients to move within `drain_s`, wait for sends to settle, close what is left."""
        self.is_draining = True
        drain_ms = int(self._settings.drain_s * 1000)
        for connection in tuple(self.hub.connections):
            if connection.is_open:
                connection.send(frames.Move(after_ms=random.randint(0, drain_ms)))  # noqa: S311 - jitter, not a secret
        log.info("drain.started", extra={"connections": len(self.hub.connections)})
        await self._wait_until_empty(self._settings.drain_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await self._batcher.wait_until_idle()
                await self._read_batcher.flush()
        for connection in tuple(self.hub.connections):
            connection.close(CloseCode.RESTART)
        await self._people.end()
        log.info("drain.finished")

    async def _wait_until_empty(self, max_s: float) -> None:
        until_s = self.hub.clock() + max_s
        while self.hub.connections and self.hub.clock() < until_s:  # noqa: ASYNC110 - once per process
            await asyncio.sleep(0.05)

    def _end_sessions(self, sids: Collection[str]) -> None:
        self.hub.end_sessions(sids)
        self._people.end_sessions(sids)

    def _on_signal(self, signal: broker_events.Signal) -> None:
        match signal:
            case broker_events.ReadStatesChanged():
                self._read_states.on_signal(signal)
            case (
                broker_events.PresenceChanged()
                | broker_events.PresenceBeat()
                | broker_events.BeatWanted()
                | broker_events.UserTyping()
            ):
                self._people.on_signal(signal)
            case (
                broker_events.InboxesGrew()
                | broker_events.RecipientsChanged()
                | broker_events.DeviceListChanged()
                | broker_events.DeviceAppeared()
            ):
                self._inboxes.on_signal(signal)
            case _:
                assert_never(signal)

    def _on_lost_signals(self) -> None:
        self._read_states.on_possible_loss()
        self._people.on_possible_loss()
        self._inboxes.on_possible_loss()

    def _on_control(self, payload: bytes) -> None:
        try:
            event = broker_events.decode_control(payload)
        except UnreadableError:
            log.warning("control_event.unknown")
            return
        match event:
            case broker_events.SessionRevoked():
                self._revoked.add([event.sid])
            case (
                broker_events.MembershipChanged()
                | broker_events.TopicChanged()
                | broker_events.RoomDeleted()
                | broker_events.InvitationChanged()
                | broker_events.PersonChanged()
            ):
                self._memberships.enqueue(event)
            case _:
                assert_never(event)
