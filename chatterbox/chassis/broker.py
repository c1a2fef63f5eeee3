"""Publish and subscribe between processes. At most once, in order for each publisher: nothing may rely on more.

`MemoryBroker` serves one process, `RedisBroker` many. Another adapter is one more class with these methods that
passes `tests/contract/test_broker.py`.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

log = logging.getLogger("chatterbox.broker")

OnPayload: TypeAlias = Callable[[str, bytes], None]
"""Called on the event loop with channel and payload; must not block and must not raise."""
OnDoubt: TypeAlias = Callable[[], None]
"""Called when payloads may have been missed, such as after a reconnect: whoever listens must catch up."""


class Subscriber(Protocol):
    """One listener's set of channels."""

    async def subscribe(self, channels: Iterable[str]) -> None:
        """Hear these channels too. On return, whatever is published from now on will be heard.

        Raises `BrokerError` where that could not be had in time. The channels are subscribed to all the same: they
        will be heard when the broker is back, and `on_doubt` will say so.
        """

    async def unsubscribe(self, channels: Iterable[str]) -> None:
        """Stop hearing these channels. On return nothing of them is delivered any more."""

    async def close(self) -> None:
        """Stop hearing anything."""


class Broker(Protocol):
    """Carries payloads from publishers to whoever is subscribed at that moment."""

    @property
    def is_whole(self) -> bool:
        """Whether every channel subscribed to is heard at this moment, as far as is known."""

    @property
    def reconnects(self) -> int:
        """How often a connection was opened in place of an earlier one."""

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Publish `(channel, payload)` pairs, in this order, in one go. Raises `BrokerError` if it can't."""

    def subscriber(self, on_payload: OnPayload, on_doubt: OnDoubt) -> Subscriber:
        """A new listener, subscribed to nothing yet."""

    def renew(self) -> None:
        """Listen on a new connection, though this one looks whole: somebody knows better. It ends in doubt.

        Where a new connection is being made already, this changes nothing.
        """

    async def close(self) -> None:
        """Let go of every connection."""


class BrokerError(Exception):
    """The broker could not be reached; whether a payload was delivered is not known."""


class MemoryBroker:
    """The broker of a single process: delivery happens inside `publish`, before it returns."""

    def __init__(self) -> None:
        self._listeners: dict[str, dict[_MemorySubscriber, None]] = {}

    @property
    def is_whole(self) -> bool:
        return True

    @property
    def reconnects(self) -> int:
        return 0

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        for channel, payload in items:
            for listener in tuple(self._listeners.get(channel, ())):
                listener.deliver(channel, payload)

    def subscriber(self, on_payload: OnPayload, on_doubt: OnDoubt) -> Subscriber:
        return _MemorySubscriber(self._listeners, on_payload, on_doubt)

    def renew(self) -> None:
        for listener in {each: None for of in self._listeners.values() for each in of}:
            listener.doubt()

    async def close(self) -> None:
        self._listeners.clear()


class GuardedListener:
    """A listener whose mistakes are logged, and stay its own: whoever brings it something goes on."""

    def __init__(self, on_payload: OnPayload, on_doubt: OnDoubt) -> None:
        self._on_payload = on_payload
        self._on_doubt = on_doubt

    def deliver(self, channel: str, payload: bytes) -> None:
        try:
            self._on_payload(channel, payload)
        except Exception:
            log.exception("payload_handler.failed", extra={"channel": channel})

    def doubt(self) -> None:
        try:
            self._on_doubt()
        except Exception:
            log.exception("doubt_handler.failed")


class _MemorySubscriber(GuardedListener):
    def __init__(
        self, listeners: "dict[str, dict[_MemorySubscriber, None]]", on_payload: OnPayload, on_doubt: OnDoubt
    ) -> None:
        super().__init__(on_payload, on_doubt)
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
