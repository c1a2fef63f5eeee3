"""Ways to break the gateway's promises on purpose: the tests of them must turn red with each, or they prove nothing.

Never for production: without `CHATTERBOX_SABOTAGE=1` every one of them is refused at start.
"""

import random
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import httpx
import msgspec
from pydantic import ValidationInfo, field_validator

from chatterbox.chassis.broker import Broker, OnMissed, OnPayload, Subscriber
from chatterbox.chassis.settings import Environment
from chatterbox.wire import history_api
from services.gateway.transport.handshake import Handshake
from services.gateway.transport.live_socket import LiveSocket
from services.gateway.upstream.history_client import AppendFunction, HistoryClient

DROPPED = 0.01
"""Of all messages that are written to a connection."""


class SabotageSettings(Environment):
    """For tests only. Each needs `CHATTERBOX_SABOTAGE=1` beside it."""

    # Declared first: the validator of the others reads it.
    sabotage: bool = False
    """For tests only: allow the switches that break promises."""
    sabotage_canary_off: bool = False
    """For tests only: a gateway that does not find out by itself whether it hears the broker."""
    sabotage_resubscribe_off: bool = False
    """For tests only: a gateway that hears nothing more of a room once the connection to the broker was lost."""
    sabotage_own_offsets: bool = False
    """For tests only: a gateway that gives messages offsets of its own."""
    sabotage_drop_frames: bool = False
    """For tests only: a gateway that leaves out one message in a hundred."""

    @field_validator("sabotage_canary_off", "sabotage_resubscribe_off", "sabotage_own_offsets", "sabotage_drop_frames")
    @classmethod
    def _only_on_purpose(cls, value: bool, info: ValidationInfo) -> bool:
        if value and not info.data.get("sabotage"):
            raise ValueError("this breaks what is promised; it is for tests, which also set CHATTERBOX_SABOTAGE=1")
        return value


class Forgetful:
    """A broker that, once it was away, is not subscribed any more to what it was subscribed to, and does not say so."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.publish = broker.publish
        self.reconnect = broker.reconnect
        self.close = broker.close

    @property
    def is_healthy(self) -> bool:
        return self._broker.is_healthy

    @property
    def reconnects(self) -> int:
        return self._broker.reconnects

    def subscriber(self, on_payload: OnPayload, on_missed: OnMissed) -> Subscriber:  # noqa: ARG002 - it never doubts
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
        asked = set(channels)
        self._channels |= asked
        self._forgotten -= asked
        await self._subscriber.subscribe(asked)

    async def unsubscribe(self, channels: Iterable[str]) -> None:
        await self._subscriber.unsubscribe(channels)

    async def close(self) -> None:
        await self._subscriber.close()


class OwnOffsets(HistoryClient):
    """Counts the messages that this gateway took in, as if there were no other."""

    def __init__(self, http: httpx.AsyncClient, appending: AppendFunction, clock: Callable[[], float]) -> None:
        super().__init__(http, appending, clock)
        self._counts: Counter[int] = Counter()

    async def append(
        self, messages: Sequence[history_api.Append]
    ) -> list[history_api.Appended | history_api.AppendRefused]:
        outcomes = await super().append(list(messages))
        return [self._counted(*pair) for pair in zip(messages, outcomes, strict=True)]

    def _counted(
        self, message: history_api.Append, outcome: history_api.Appended | history_api.AppendRefused
    ) -> history_api.Appended | history_api.AppendRefused:
        if isinstance(outcome, history_api.AppendRefused):
            return outcome
        self._counts[message.room_id] += 1
        return msgspec.structs.replace(outcome, offset=self._counts[message.room_id])


def leaves_out(frames: bytes, roll: float) -> bool:
    """Whether a lossy socket does not write `frames`; `roll` is a random number from 0 to 1."""
    return b'"type":"message"' in frames and roll < DROPPED


class Lossy(LiveSocket):
    """Leaves out some of the messages that it should write."""

    def _past_transport(self, held: socket.socket) -> Callable[[bytes], int]:
        write = super()._past_transport(held)
        return lambda frames: len(frames) if leaves_out(frames, random.random()) else write(frames)  # noqa: S311 - no secret


class LossyHandshake(Handshake):
    """Whose connections are lossy."""

    socket_class = Lossy
