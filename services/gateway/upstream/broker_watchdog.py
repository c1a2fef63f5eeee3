"""Watches that the broker delivers: publishes a canary every second on one connection, receives it on the other.

If canaries are accepted but not delivered, it makes the broker subscribe on a new connection. As after any reconnect,
everything that may have been missed is then read from history.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from typing import NoReturn

from chatterbox.chassis.broker import Broker, BrokerError
from chatterbox.chassis.observability.incident import Incident
from chatterbox.wire.broker_events import canary_channel
from chatterbox.wire.position import WHOLE_DIGITS
from services.gateway.core.broker_canary import Canary
from services.gateway.metrics import GatewayMetrics

log = logging.getLogger("chatterbox.broker_watchdog")

INTERVAL_S = 1.0
GRACE_S = 0.2
"""Time for an accepted canary to arrive (seconds); short enough to detect three misses within 4 s."""


class BrokerWatchdog:
    """Publishes canaries, receives them, and resubscribes when they are missed."""

    def __init__(self, broker: Broker, clock: Callable[[], float], metrics: GatewayMetrics | None = None) -> None:
        self._broker = broker
        self._clock = clock
        self._metrics = metrics or GatewayMetrics()
        self._canary = Canary(clock())
        self._channel = canary_channel(secrets.token_hex(8))
        self._subscriber = broker.subscriber(self._on_payload, lambda: None)
        self._publishing = Incident(log, down="broker.publish_failed", up="broker.publish_recovered")
        self._metrics.canary_age_s.set_function(lambda: self.age_s)
        self._metrics.reconnects.set_function(lambda: broker.reconnects)

    @property
    def cannot_publish(self) -> bool:
        """Whether the broker rejected the last canary."""
        return self._publishing.is_open

    @property
    def is_deaf(self) -> bool:
        """Whether the broker accepts canaries but delivers none."""
        return self._canary.is_deaf

    @property
    def age_s(self) -> float:
        """Seconds since the last canary was received."""
        return self._canary.age_s(self._clock())

    async def start(self) -> None:
        with contextlib.suppress(BrokerError):  # until the broker has the channel it is not whole; no canary counts
            await self._subscriber.subscribe([self._channel])

    async def close(self) -> None:
        await self._subscriber.close()

    async def run(self) -> NoReturn:
        """Publish and check until cancelled."""
        while True:
            await self.publish()
            await asyncio.sleep(GRACE_S)
            self.check()
            await asyncio.sleep(INTERVAL_S - GRACE_S)

    async def publish(self) -> None:
        """Publish the next canary."""
        number = self._canary.next()
        try:
            await self._broker.publish([(self._channel, b"%d" % number)])
        except BrokerError as problem:
            self._publishing.fail(str(problem))
        else:
            self._publishing.recover()
            self._canary.confirm(number)

    def check(self) -> None:
        """Resubscribe on a new connection if too many canaries were missed."""
        if not self._broker.is_healthy:
            self._canary.reset_missed()
        elif self._canary.should_resubscribe():
            self._metrics.broker_silences.inc()
            log.warning("broker.silent", extra={"seconds": round(self.age_s, 1)})
            self._broker.reconnect()

    def _on_payload(self, channel: str, payload: bytes) -> None:  # noqa: ARG002 - the broker's interface
        if payload.isdigit() and len(payload) <= WHOLE_DIGITS and self._canary.receive(int(payload), self._clock()):
            log.warning("broker.recovered")
