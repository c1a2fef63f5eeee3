"""A broker that does all that pub/sub may do: loses, doubles, delays, shuffles, goes away, and goes deaf in silence."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from random import Random

from chatterbox.chassis.broker import BrokerError, GuardedListener, OnMissed, OnPayload
from tests.simulation.conditions import Conditions, grid

log = logging.getLogger("chatterbox.broker")

ANSWER_S = (0.001, 0.02)
"""Until it confirms something (seconds)."""
CONNECT_S = (0.01, 0.3)
"""Until a new connection is heard on (seconds)."""


class SimulatedBroker:
    """What all lines lead to."""

    def __init__(self, conditions: Conditions, chance: Random) -> None:
        self.conditions = conditions
        self.chance = chance
        self.lines: list[Line] = []
        self.is_calm = False
        """Whether nothing goes wrong any more by chance."""

    def line(self) -> "Line":
        """A gateway's way to it."""
        self.lines.append(Line(self))
        return self.lines[-1]

    def take(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Somebody has published: bring it to whoever is subscribed now."""
        for channel, payload in items:
            for line in self.lines:
                if channel in line.heard and line.is_up and not line.is_deaf:
                    line.bring(channel, payload)


class Line:
    """One gateway's connection, as `chatterbox.chassis.broker.Broker`."""

    def __init__(self, broker: SimulatedBroker) -> None:
        self._broker = broker
        self._chance = broker.chance
        self._subscribers: dict[LineSubscriber, None] = {}
        self._last_s = 0.0
        self._opened = 0
        """Connections so far: what was on its way by an earlier one never comes."""
        self.heard: set[str] = set()
        self.is_up = True
        self.is_held_down = False
        self.is_deaf = False
        self.reconnects = 0

    @property
    def is_healthy(self) -> bool:
        return self.is_up

    # What a gateway asks

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        await asyncio.sleep(grid(self._chance, ANSWER_S))
        if not self.is_up:
            raise BrokerError("it is away")
        self._broker.take(items)
        await asyncio.sleep(grid(self._chance, ANSWER_S))

    def subscriber(self, on_payload: OnPayload, on_missed: OnMissed) -> "LineSubscriber":
        subscriber = LineSubscriber(self, on_payload, on_missed)
        self._subscribers[subscriber] = None
        return subscriber

    def reconnect(self) -> None:
        if self.is_up:
            self.cut()
            self.mend()

    async def close(self) -> None:
        self.forget()

    async def confirm(self, channels: Iterable[str]) -> None:
        """Subscribe; as the real one, it takes the channels to heart even where it can't hear them yet."""
        asked = self._opened
        await asyncio.sleep(grid(self._chance, ANSWER_S))
        self.attend()
        await asyncio.sleep(grid(self._chance, ANSWER_S))
        if not self.is_up or asked != self._opened:
            raise BrokerError("it is away")

    def attend(self) -> None:
        """Hear what the subscribers want, no more and no less."""
        self.heard = {channel for subscriber in self._subscribers for channel in subscriber.channels}

    # What befalls it

    def cut(self) -> None:
        """The connection is lost, with all that is on its way."""
        self.is_up = False
        self._opened += 1

    def mend(self) -> None:
        """A new connection is made, and soon heard on."""
        asyncio.get_running_loop().call_later(grid(self._chance, CONNECT_S), self._reopened, self._opened)

    def _reopened(self, opened: int) -> None:
        if self.is_up or opened != self._opened or self.is_held_down:
            return
        self.is_up, self.is_deaf = True, False
        self.reconnects += 1
        self.attend()
        for subscriber in tuple(self._subscribers):
            subscriber.notify_missed()

    def forget(self) -> None:
        """Nobody listens any more: the gateway is gone."""
        self.cut()
        self._subscribers.clear()
        self.heard.clear()

    # What it brings

    def bring(self, channel: str, payload: bytes) -> None:
        conditions = self._broker.conditions
        if self._happens(conditions.lose):
            return
        now_s = asyncio.get_running_loop().time()
        at_s = now_s + grid(self._chance, conditions.publish_s)
        if not self._happens(conditions.shuffle):
            at_s = self._last_s = max(at_s, self._last_s)
        self._at(at_s, channel, payload)
        if self._happens(conditions.double):
            self._at(at_s + grid(self._chance, (0, 0.2)), channel, payload)

    def _happens(self, likelihood: float) -> bool:
        return not self._broker.is_calm and self._chance.random() < likelihood

    def _at(self, at_s: float, channel: str, payload: bytes) -> None:
        asyncio.get_running_loop().call_at(at_s, self._deliver, self._opened, channel, payload)

    def _deliver(self, opened: int, channel: str, payload: bytes) -> None:
        if opened == self._opened and not self.is_deaf:
            for subscriber in tuple(self._subscribers):
                subscriber.deliver(channel, payload)


class LineSubscriber(GuardedListener):
    """One listener's set of channels."""

    def __init__(self, line: Line, on_payload: OnPayload, on_missed: OnMissed) -> None:
        super().__init__(on_payload, on_missed)
        self._line = line
        self.channels: set[str] = set()

    async def subscribe(self, channels: Iterable[str]) -> None:
        self.channels.update(channels)
        await self._line.confirm(self.channels)

    async def unsubscribe(self, channels: Iterable[str]) -> None:
        self.channels.difference_update(channels)
        self._line.attend()

    async def close(self) -> None:
        await self.unsubscribe(tuple(self.channels))

    def deliver(self, channel: str, payload: bytes) -> None:
        if channel in self.channels:
            super().deliver(channel, payload)
