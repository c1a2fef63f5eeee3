"""Publish/subscribe between processes: at most once, in order per publisher. Nothing may rely on more.

`MemoryBroker` serves one process, `RedisBroker` many. Another adapter is a class with these methods that passes
`tests/contract/test_broker.py`.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

log = logging.getLogger("chatterbox.broker")

OnPayload: TypeAlias = Callable[[str, bytes], None]
"""Called on the event loop with channel and payload; must not block and must not raise."""
OnMissed: TypeAlias = Callable[[], None]
"""Called when payloads may have been missed, such as after a reconnect: the listener must catch up."""


class Subscriber(Protocol):
    """One listener's set of channels."""

    async def subscribe(self, channels: Iterable[str]) -> None:
        """Add channels. After it returns, everything published to them is delivered.

        Raises `BrokerError` if the broker did not confirm in time. The channels stay subscribed all the same: they
        are delivered once the broker is back, and `on_missed` is called then.
        """

    async def unsubscribe(self, channels: Iterable[str]) -> None:
        """Remove channels. After it returns, nothing published to them is delivered."""

    async def close(self) -> None:
        """Remove all channels."""


class Broker(Protocol):
    """Carries payloads from publishers to the current subscribers."""

    @property
    def is_healthy(self) -> bool:
        """Whether, as far as known, every subscribed channel is being received."""

    @property
    def reconnects(self) -> int:
        """Connections opened to replace an earlier one."""

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Publish `(channel, payload)` pairs, in this order, in one round trip. Raises `BrokerError`."""

    def subscriber(self, on_payload: OnPayload, on_missed: OnMissed) -> Subscriber:
        """A new listener without channels."""

    def reconnect(self) -> None:
        """Replace the subscribing connection, although it looks healthy; `on_missed` is called afterwards.

        Does nothing while a connection is being opened already.
        """

    async def close(self) -> None:
        """Close every connection."""


class BrokerError(Exception):
    """The broker could not be reached; whether a payload was delivered is unknown."""


class MemoryBroker:
    """The broker of a single process: `publish` delivers before it returns."""

    def __init__(self) -> None:
        self._listeners: dict[str, dict[_MemorySubscriber, None]] = {}

    @property
    def is_healthy(self) -> bool:
        return True

    @property
    def reconnects(self) -> int:
        return 0

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        for channel, payload in items:
            for listener in tuple(self._listeners.get(channel, ())):
                listener.deliver(channel, payload)

    def subscriber(self, on_payload: OnPayload, on_missed: OnMissed) -> Subscriber:
        return _MemorySubscriber(self._listeners, on_payload, on_missed)

    def reconnect(self) -> None:
        for listener in {listener: None for listeners in self._listeners.values() for listener in listeners}:
            listener.notify_missed()

    async def close(self) -> None:
        self._listeners.clear()


class GuardedListener:
    """A listener whose exceptions are logged, so that they do not affect other listeners."""

    def __init__(self, on_payload: OnPayload, on_missed: OnMissed) -> None:
        self._on_payload = on_payload
        self._on_missed = on_missed

    def deliver(self, channel: str, payload: bytes) -> None:
        try:
            self._on_payload(channel, payload)
        except Exception:
            log.exception("payload_handler.failed", extra={"channel": channel})

    def notify_missed(self) -> None:
        try:
            self._on_missed()
        except Exception:
            log.exception("missed_handler.failed")


class _MemorySubscriber(GuardedListener):
    def __init__(
        self, listeners: "dict[str, dict[_MemorySubscriber, None]]", on_payload: OnPayload, on_missed: OnMissed
    ) -> None:
        super().__init__(on_payload, on_missed)
        self._listeners = listeners
        self._channels: set[str] = set()

    async def subscribe(self, channels: Iterable[str]) -> None:
        for channel in channels:
            self._channels.add(channel)
            self._listeners.setdefault(channel, {})[self] = None

    async def unsubscribe(self, channels: Iterable[str]) -> None:
        for channel in tuple(channels):
            self._channels.discard(channel)
            remaining = self._listeners.get(channel, {})
            remaining.pop(self, None)
            if not remaining:
                self._listeners.pop(channel, None)

    async def close(self) -> None:
        await self.unsubscribe(self._channels)
