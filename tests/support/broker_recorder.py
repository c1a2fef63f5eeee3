"""A broker subscriber that records what it receives."""

import asyncio

from chatterbox.chassis.broker import Broker, Subscriber

DEADLINE_S = 30.0


class Ear:
    """Records payloads in `heard`, and counts in `doubts` how often the broker may have missed some."""

    def __init__(self, broker: Broker) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.doubts = 0
        self._news = asyncio.Event()
        self.subscriber: Subscriber = broker.subscriber(self._on_payload, self._on_doubt)

    def _on_payload(self, channel: str, payload: bytes) -> None:
        self.heard.append((channel, payload))
        self._news.set()

    def _on_doubt(self) -> None:
        self.doubts += 1
        self._news.set()

    async def until(self, *items: tuple[str, bytes]) -> None:
        """Wait until all of these have been received."""
        async with asyncio.timeout(DEADLINE_S):
            while not set(items) <= set(self.heard):
                self._news.clear()
                await self._news.wait()

    async def until_doubt(self, doubts: int = 1) -> None:
        """Wait until the broker has reported this many possible losses."""
        async with asyncio.timeout(DEADLINE_S):
            while self.doubts < doubts:
                self._news.clear()
                await self._news.wait()

    def payloads(self, channel: str) -> list[bytes]:
        return [payload for where, payload in self.heard if where == channel]


async def ear(broker: Broker, *channels: str) -> Ear:
    """A recorder that has subscribed to `channels`."""
    listening = Ear(broker)
    await listening.subscriber.subscribe(channels)
    return listening
