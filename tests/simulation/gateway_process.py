"""A gateway of a simulation: the real `Gateway` on simulated connections; can be drained, killed and restarted."""

import asyncio
import logging
from collections.abc import Coroutine
from functools import cache
from random import Random
from typing import Any, cast

from chatterbox.wire.errors import ChatError
from chatterbox.wire.limits import Limits
from services.gateway.gateway import Gateway
from services.gateway.metrics import GatewayMetrics
from services.gateway.settings import GatewaySettings
from services.gateway.transport.live_socket import LiveSocket
from tests.simulation.broker import SimulatedBroker
from tests.simulation.conditions import Conditions
from tests.simulation.people import NOW_S
from tests.simulation.service import AuthService, HistoryService
from tests.simulation.service_client import ServiceClient
from tests.simulation.sockets import Peer, SimulatedSocket
from tests.support.sabotage.gateway import GatewaySabotage, LossyHandshake

log = logging.getLogger("chatterbox.simulation")

LIMITS = Limits(
    connections_per_user=1000, connections_per_address=1000, sends_per_s=10_000, sends_burst=10_000,
    commands_per_s=10_000, commands_burst=10_000, reads_per_s=10_000, reads_burst=10_000,
)  # fmt: skip
DOWN_S = (0.05, 1.0)
"""Time until a gateway that ended is started again (seconds)."""


@cache
def _metrics() -> GatewayMetrics:
    """Shared by all gateways of all schedules: nothing reads them, and declaring them takes a while."""
    return GatewayMetrics()


class GatewayProcess:
    """One gateway, restarted whenever it ends."""

    def __init__(
        self,
        conditions: Conditions,
        rng: Random,
        broker: SimulatedBroker,
        history: HistoryService,
        auth: AuthService,
        settings: GatewaySettings,
        sabotage: GatewaySabotage,
    ) -> None:
        self.gateway: Gateway | None = None
        """The running gateway; None while it restarts."""
        self._conditions = conditions
        self._rng = rng
        self._broker = broker
        self._services = history, auth
        self._settings = settings
        self._sabotage = sabotage
        self._tasks: set[asyncio.Task[None]] = set()
        self._end = asyncio.Event()
        self._sockets: list[SimulatedSocket] = []
        self._clients: tuple[ServiceClient, ServiceClient] | None = None
        self.broker = broker.connect()

    def start(self) -> None:
        """Start a new gateway, without any state of the one before."""
        loop = asyncio.get_running_loop()
        self._broker.connections.remove(self.broker)
        self.broker = self._broker.connect()
        history, auth = self._clients = (
            ServiceClient("history", self._services[0]),
            ServiceClient("auth", self._services[1]),
        )
        gateway = Gateway(
            self._settings,
            limits=LIMITS,
            broker=self._sabotage.broker(self.broker),
            auth=auth.client,
            history=history.client,
            append=self._sabotage.append(history.append),
            clock=loop.time,
            now_s=lambda: NOW_S + loop.time(),
            metrics=_metrics(),
        )
        self._end = asyncio.Event()
        self._spawn(self._run(gateway, self._end))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: "asyncio.Task[None]") -> None:
        """An exception of a gateway's own task is a bug: log it as an error."""
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("gateway.failed", exc_info=problem)

    async def _run(self, gateway: Gateway, end: asyncio.Event) -> None:
        async with gateway.running():
            self.gateway = gateway
            await end.wait()

    def dial(self, peer: Peer, rng: Random, token: str | None) -> SimulatedSocket | None:
        """Connect `peer`; None if the gateway refuses."""
        gateway = self.gateway
        try:
            if gateway is None:
                return None
            gateway.admit("::1")
        except ChatError:
            return None
        drops_frames = self._sabotage.handshake_class is LossyHandshake
        socket = SimulatedSocket(self._conditions, rng, peer, drops_frames=drops_frames)
        self._sockets.append(socket)
        gateway.open(cast("LiveSocket", socket), "::1", token)
        return socket

    @property
    def is_up(self) -> bool:
        """Whether a gateway is running and accepts connections."""
        return self.gateway is not None and not self.gateway.is_draining

    # How it ends

    def drain(self) -> None:
        """Stop it as a deployment does, then start another."""
        gateway = self.gateway
        if gateway is not None and not gateway.is_draining:
            self._spawn(self._drain(gateway))

    async def _drain(self, gateway: Gateway) -> None:
        await gateway.drain()
        if self.gateway is gateway:
            self._stop()

    def kill(self) -> None:
        """End it at once: connections break without a close frame, and responses to its calls are lost."""
        if self.gateway is not None:
            assert self._clients is not None
            for client in self._clients:
                client.is_cut = True
            self.broker.abandon()
            for socket in self._sockets:
                socket.abort()
            self._stop()

    def _stop(self) -> None:
        self.gateway = None
        self._sockets.clear()
        self._end.set()
        asyncio.get_running_loop().call_later(self._rng.uniform(*DOWN_S), self.start)
