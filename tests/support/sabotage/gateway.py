"""Test doubles for the gateway's ports, each of which breaks one promise."""

import random
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from chatterbox.chassis.broker import Broker, OnMissed, OnPayload, Subscriber
from chatterbox.wire import history_api
from chatterbox.wire.broker_events import canary_channel
from services.gateway.app import GatewayApp, create_app
from services.gateway.settings import GatewaySettings
from services.gateway.transport.handshake import Handshake
from services.gateway.transport.live_socket import LiveSocket
from services.gateway.upstream.history_client import AppendFunction, Outcome

DROPPED = 0.01
"""Share of the messages written to a connection that a lossy socket drops."""
CHANGES_DROPPED = 0.3
"""More of them: most changes share a write with messages, and those are not dropped."""


class _WrappedBroker:
    """Passes everything on to another broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.reconnect = broker.reconnect
        self.close = broker.close

    @property
    def is_healthy(self) -> bool:
        return self._broker.is_healthy

    @property
    def reconnects(self) -> int:
        return self._broker.reconnects

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        await self._broker.publish(items)

    def subscriber(self, on_payload: OnPayload, on_missed: OnMissed) -> Subscriber:
        return self._broker.subscriber(on_payload, on_missed)


class ForgetfulBroker(_WrappedBroker):
    """After a lost connection it silently delivers nothing more on the channels subscribed to before."""

    def subscriber(self, on_payload: OnPayload, on_missed: OnMissed) -> Subscriber:
        return _ForgetfulSubscriber(self._broker, on_payload)


class _ForgetfulSubscriber:
    def __init__(self, broker: Broker, on_payload: OnPayload) -> None:
        self._on_payload = on_payload
        self._channels: set[str] = set()
        self._forgotten: set[str] = set()
        self._subscriber = broker.subscriber(self._take, self._forget)

    def _take(self, channel: str, payload: bytes) -> None:
        if channel not in self._forgotten:
            self._on_payload(channel, payload)

    def _forget(self) -> None:
        self._forgotten |= self._channels

    async def subscribe(self, channels: Iterable[str]) -> None:
        added = set(channels)
        self._channels |= added
        self._forgotten -= added
        await self._subscriber.subscribe(added)

    async def unsubscribe(self, channels: Iterable[str]) -> None:
        await self._subscriber.unsubscribe(channels)

    async def close(self) -> None:
        await self._subscriber.close()


class CanaryEcho(_WrappedBroker):
    """Returns canaries itself, so that they prove nothing: the gateway never learns that it is deaf."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(broker)
        self._listeners: dict[str, OnPayload] = {}

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        for channel, payload in items:
            if listener := self._listeners.get(channel):
                listener(channel, payload)
        if others := [(channel, payload) for channel, payload in items if channel not in self._listeners]:
            await self._broker.publish(others)

    def subscriber(self, on_payload: OnPayload, on_missed: OnMissed) -> Subscriber:
        return _EchoSubscriber(self._broker, self._listeners, on_payload, on_missed)


class _EchoSubscriber:
    def __init__(
        self, broker: Broker, listeners: dict[str, OnPayload], on_payload: OnPayload, on_missed: OnMissed
    ) -> None:
        self._listeners = listeners
        self._on_payload = on_payload
        self._subscriber = broker.subscriber(on_payload, on_missed)
        self.unsubscribe = self._subscriber.unsubscribe
        self.close = self._subscriber.close

    async def subscribe(self, channels: Iterable[str]) -> None:
        added = set(channels)
        self._listeners |= {channel: self._on_payload for channel in added if channel.startswith(canary_channel(""))}
        await self._subscriber.subscribe(added)


def own_offsets(append: AppendFunction) -> AppendFunction:
    """Replace the offsets that history gave by a count of the messages that went through this gateway."""
    counts: Counter[int] = Counter()

    async def counted(
        messages: list[history_api.Append], changes: list[history_api.AnyMessageChange]
    ) -> history_api.AppendAnswer:
        answer = await append(messages, changes)
        outcomes = [_counted(*pair) for pair in zip(messages, answer.outcomes, strict=True)]
        return msgspec.structs.replace(answer, outcomes=outcomes)

    def _counted(message: history_api.Append, outcome: Outcome) -> Outcome:
        if isinstance(outcome, history_api.AppendRefused):
            return outcome
        counts[message.room_id] += 1
        return msgspec.structs.replace(outcome, offset=counts[message.room_id])

    return counted


def is_dropped(frames: bytes, roll: float) -> bool:
    """Whether a lossy socket drops `frames`; `roll` is a random number from 0 to 1."""
    return b'"type":"message"' in frames and roll < DROPPED


class LossySocket(LiveSocket):
    """Drops some of the messages that it should write."""

    def _past_transport(self, held: socket.socket) -> Callable[[bytes], int]:
        write = super()._past_transport(held)
        return lambda frames: len(frames) if is_dropped(frames, random.random()) else write(frames)


class LossyHandshake(Handshake):
    """Hands its connections over as lossy sockets."""

    socket_class = LossySocket


class GreedySocket(LiveSocket):
    """Handles all that it has read in one event-loop turn, and never lets its peer wait."""

    def _handle(self, frames: Iterator[tuple[int, bytes]]) -> None:
        super()._handle(frames)
        while self._unhandled is not None and not self._is_full:
            unhandled, self._unhandled = self._unhandled, None
            super()._handle(unhandled)

    def _hold_back(self) -> None:
        """Go on reading."""


class GreedyHandshake(Handshake):
    """Hands its connections over as greedy sockets."""

    socket_class = GreedySocket


class ChangeLosingSocket(LiveSocket):
    """Drops some of the changes of messages that it should write."""

    def _past_transport(self, held: socket.socket) -> Callable[[bytes], int]:
        write = super()._past_transport(held)
        return lambda frames: len(frames) if is_change_dropped(frames, random.random()) else write(frames)


def is_change_dropped(frames: bytes, roll: float) -> bool:
    """Whether a socket that loses changes drops `frames`: only writes that contain no new message."""
    return frames.count(b'"type":"change"') == frames.count(b'"type":"message"') > 0 and roll < CHANGES_DROPPED


class ChangeLosingHandshake(Handshake):
    """Hands its connections over as sockets that lose changes."""

    socket_class = ChangeLosingSocket


class GatewaySabotage(NamedTuple):
    """What is put in the place of a gateway's ports; by default the real thing."""

    broker: Callable[[Broker], Broker] = lambda broker: broker
    append: Callable[[AppendFunction], AppendFunction] = lambda append: append
    handshake_class: type[Handshake] = Handshake
    settings: Mapping[str, object] = {}
    """Settings by name, with values that no operator can give them."""

    def create_app(
        self, settings: GatewaySettings, *args: Any, broker: Broker, append: AppendFunction, **ports: Any
    ) -> GatewayApp:
        """The gateway's own `create_app`, on these ports."""
        given = settings.model_copy(update=dict(self.settings))
        return create_app(given, *args, broker=self.broker(broker), append=self.append(append), **ports)


NO_SABOTAGE = GatewaySabotage()
SABOTAGES = {
    "canary_off": GatewaySabotage(broker=CanaryEcho),
    "resubscribe_off": GatewaySabotage(broker=ForgetfulBroker),
    "own_offsets": GatewaySabotage(append=own_offsets),
    "drop_frames": GatewaySabotage(handshake_class=LossyHandshake),
    "frame_budget_off": GatewaySabotage(handshake_class=GreedyHandshake),
    "lose_changes": GatewaySabotage(handshake_class=ChangeLosingHandshake),
    "no_grace": GatewaySabotage(settings={"presence_grace_s": 0.0}),
}
