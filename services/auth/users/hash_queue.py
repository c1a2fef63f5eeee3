"""Queue for password hashing: bounded, and fair between addresses."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

from chatterbox.wire.errors import ChatError, Code

_Turn: TypeAlias = "asyncio.Future[None]"


class HashQueue:
    """Gives `concurrency` turns at a time, to the addresses in rotation; at most `limit` more may wait.

    When the queue is full, the address with the most waiting entries loses its newest one, so that no address can keep
    the others out.
    """

    def __init__(self, concurrency: int, limit: int) -> None:
        self._concurrency = concurrency
        self._limit = limit
        self._queues: OrderedDict[str, deque[_Turn]] = OrderedDict()
        """Waiting entries by address, in the order of the addresses' next turns."""
        self.running = 0
        self.waiting = 0

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Wait for a turn and hold it during the block; raises `unavailable` when too many are waiting."""
        if self.running < self._concurrency:
            self.running += 1
        else:
            await self._wait(address)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, address: str) -> None:
        if self.waiting >= self._limit:
            self._make_room(address)
        turn: _Turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(address, deque()).append(turn)  # bounded: by `_make_room`
        self.waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._remove(address, turn)
            elif turn.exception() is None:
                self._pass_on()
            raise

    def _make_room(self, address: str) -> None:
        longest = max(self._queues, key=lambda other: len(self._queues[other]), default=address)
        if len(self._queues.get(longest, ())) <= len(self._queues.get(address, ())) + 1:
            raise self._refusal()
        newest = self._queues[longest][-1]
        self._remove(longest, newest)
        newest.set_exception(self._refusal())

    def _remove(self, address: str, turn: _Turn) -> None:
        queue = self._queues.get(address)
        if queue is None or turn not in queue:
            return
        queue.remove(turn)
        self.waiting -= 1
        if not queue:
            del self._queues[address]

    def _pass_on(self) -> None:
        """Give a turn that has ended to the next address."""
        while self._queues:
            address, queue = next(iter(self._queues.items()))
            turn = queue[0]
            self._queues.move_to_end(address)
            self._remove(address, turn)
            if not turn.done():
                turn.set_result(None)
                return
        self.running -= 1

    def _refusal(self) -> ChatError:
        detail = f"More than {self._limit} passwords are waiting to be checked. Try again."
        return ChatError(Code.UNAVAILABLE, detail, retry_after_s=1.0)
