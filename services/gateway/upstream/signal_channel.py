"""The one channel of signals: receives those of history and of the other gateways, and publishes this gateway's.

A signal may be lost, doubled or late; each of its receivers makes up for that in its own way.
"""

import contextlib
import logging
import secrets
from collections.abc import Callable

from chatterbox.chassis.broker import Broker, BrokerError
from chatterbox.chassis.observability.incident import Incident
from chatterbox.wire.broker_events import SIGNALS, Signal, decode_signal, encode_signal
from chatterbox.wire.untrusted_json import UnreadableError
from services.gateway.core.signal_budget import SignalBudget
from services.gateway.metrics import GatewayMetrics

log = logging.getLogger("chatterbox.signals")


class SignalChannel:
    """Calls `on_signal` and `on_possible_loss`; `clock` is monotonic seconds."""

    def __init__(
        self,
        broker: Broker,
        on_signal: Callable[[Signal], None],
        on_possible_loss: Callable[[], None],
        clock: Callable[[], float],
        metrics: GatewayMetrics | None = None,
    ) -> None:
        self.gateway = secrets.token_hex(8)
        """Names this gateway in signals, and to history, in calls whose effect it tells its own connections itself."""
        self.budget = SignalBudget(clock())
        self._broker = broker
        self._on_signal = on_signal
        self._clock = clock
        self._metrics = metrics or GatewayMetrics()
        self._subscriber = broker.subscriber(self._on_payload, on_possible_loss)
        self._incident = Incident(log, down="signals.publish_failed", up="signals.publish_recovered")
        self._metrics.signals_gather_s.set_function(lambda: self.budget.gather_s(clock()))

    async def start(self) -> None:
        with contextlib.suppress(BrokerError):  # the broker logs it, and reports a possible loss once it is back
            await self._subscriber.subscribe([SIGNALS])

    async def close(self) -> None:
        await self._subscriber.close()

    async def publish(self, signal: Signal) -> bool:
        """Publish a signal of this gateway; returns whether the broker has accepted it.

        A broker that is known to be away is not tried: it reports a possible loss once it is back.
        """
        if not self._broker.is_healthy:
            return False
        payload = encode_signal(signal)
        self.budget.spend(len(payload), self._clock())
        self._metrics.signals_bytes.inc(len(payload))
        try:
            await self._broker.publish([(SIGNALS, payload)])
        except BrokerError as problem:
            self._incident.fail(str(problem))
            return False
        self._incident.recover()
        return True

    def _on_payload(self, channel: str, payload: bytes) -> None:  # noqa: ARG002 - the broker's interface
        try:
            signal = decode_signal(payload)
        except UnreadableError:
            log.warning("signal.unknown")
            return
        self._on_signal(signal)
