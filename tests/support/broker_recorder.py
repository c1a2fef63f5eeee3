"""A broker subscriber that records what it receives."""

import asyncio

from chatterbox.chassis.broker import Broker, Subscriber

DEADLINE_S = 30.0


class BrokerRecorder:
    """Records payloads in `received`, and counts in `missed` how often the broker may have missed some."""

    def __init__(self, broker: Broker) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.missed = 0
        self._news = asyncio.Event()
        self.subscriber: Subscriber = broker.subscriber(self._on_payload, self._on_missed)

    def _on_payload(self, channel: str, payload: bytes) -> None:
        self.received.append((channel, payload))
        self._news.set()

    def _on_missed(self) -> None:
        self.missed += 1
        self._news.set()

    async def until(self, *items: tuple[str, bytes]) -> None:
        """Wait until all of these have been received."""
        async with asyncio.timeout(DEADLINE_S):
            while not set(items) <= set(self.received):
                self._news.clear()
                await self._news.wait()

    async def until_missed(self, times: int = 1) -> None:
        """Wait until the broker has reported this many possible losses."""
        async with asyncio.timeout(DEADLINE_S):
            while self.missed < times:
                self._news.clear()
                await self._news.wait()

    def payloads(self, channel: str) -> list[bytes]:
        return [payload for where, payload in self.received if where == channel]


async def recorder(broker: Broker, *channels: str) -> BrokerRecorder:
    """A recorder that has subscribed to `channels`."""
    recording = BrokerRecorder(broker)
    await recording.subscriber.subscribe(channels)
    return recording
