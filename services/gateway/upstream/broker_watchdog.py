"""A gateway never goes deaf: every second it sends itself a canary through the broker, by one connection and back by
the other. Where they are taken and do not come back, it listens on a new connection, which ends in doubt as any loss.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from typing import NoReturn

from chatterbox.chassis.broker import Broker, BrokerError
from chatterbox.wire.broker_events import canary_channel
from chatterbox.wire.position import WHOLE_DIGITS
from services.gateway.core.canary import Canary
from services.gateway.metrics import GatewayMetrics

log = logging.getLogger("chatterbox.broker_watchdog")

EVERY_S = 1.0
GRACE_S = 0.2
"""A canary that the broker has taken is heard by then (seconds); that is soon enough to notice the third within 4 s."""


class BrokerWatchdog:
    """Sends canaries, listens for them, and makes the broker listen anew when they are missed."""

    def __init__(self, broker: Broker, clock: Callable[[], float], metrics: GatewayMetrics | None = None) -> None:
        self._broker = broker
        self._clock = clock
        self._metrics = metrics or GatewayMetrics()
        self._canary = Canary(clock())
        self._channel = canary_channel(secrets.token_hex(8))
        self._subscriber = broker.subscriber(self._on_payload, lambda: None)
        self.is_mute = False
        """Whether the broker did not take the last canary."""

    @property
    def is_deaf(self) -> bool:
        return self._canary.is_deaf

    @property
    def age_s(self) -> float:
        return self._canary.age_s(self._clock())

    async def start(self) -> None:
        with contextlib.suppress(BrokerError):  # until the broker is back it is not whole, and no canary counts
            await self._subscriber.subscribe([self._channel])

    async def close(self) -> None:
        await self._subscriber.close()

    async def run(self) -> NoReturn:
        """Prove it, for ever."""
        while True:
            await self.send()
            await asyncio.sleep(GRACE_S)
            self.look()
            await asyncio.sleep(EVERY_S - GRACE_S)

    async def send(self) -> None:
        number = self._canary.next()
        try:
            await self._broker.publish([(self._channel, b"%d" % number)])
        except BrokerError as problem:
            if not self.is_mute:
                log.warning("broker.publish_failed", extra={"why": str(problem)})
            self.is_mute = True
        else:
            self.is_mute = False
            self._canary.taken(number)

    def look(self) -> None:
        """Listen anew if it is time."""
        if not self._broker.is_healthy:
            self._canary.excuse()
        elif self._canary.is_time_to_listen_anew():
            self._metrics.times_deaf.inc()
            log.warning("broker.silent", extra={"seconds": round(self.age_s, 1)})
            self._broker.reconnect()

    def _on_payload(self, channel: str, payload: bytes) -> None:  # noqa: ARG002 - the broker's interface
        if payload.isdigit() and len(payload) <= WHOLE_DIGITS and self._canary.heard(int(payload), self._clock()):
            log.warning("broker.recovered")
