"""A subscriber that keeps what it hears."""

import asyncio

from chatterbox.chassis.broker import Broker, Subscriber

DEADLINE_S = 10.0


class Ear:
    """Listens to `broker`; what was heard is in `heard`, how often the broker was in doubt in `doubts`."""

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
        """Wait until all of this has been heard."""
        async with asyncio.timeout(DEADLINE_S):
            while not set(items) <= set(self.heard):
                self._news.clear()
                await self._news.wait()

    async def until_doubt(self, doubts: int = 1) -> None:
        """Wait until the broker has been in doubt so many times."""
        async with asyncio.timeout(DEADLINE_S):
            while self.doubts < doubts:
                self._news.clear()
                await self._news.wait()

    def payloads(self, channel: str) -> list[bytes]:
        return [payload for where, payload in self.heard if where == channel]


async def ear(broker: Broker, *channels: str) -> Ear:
    """One that has subscribed to `channels`."""
    listening = Ear(broker)
    await listening.subscriber.subscribe(channels)
    return listening
