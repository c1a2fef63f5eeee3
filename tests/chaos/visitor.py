"""A user of the load who comes and goes: some return at once, some stay away until they are shown offline.

A visitor sends nothing and has one connection at most, so that its presence depends on that alone.
"""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from chatterbox.wire import frames
from chatterbox.wire.codec import decode_server_frame, encode
from tests.chaos import operations
from tests.support.talker import Talker

STAY_S = (2.5, 7.0)
BLINK_S = (0.0, 1.5)
"""A short absence (seconds): shorter than the grace, so that nobody is told."""
ABSENT_S = (8.0, 12.0)
"""A long one: all are told."""
PATIENCE_S = 10.0
PAUSE_S = (0.1, 0.5)


class Visitor:
    """Comes and goes until told how to end."""

    def __init__(
        self,
        username: str,
        token: str,
        url: str,
        note: Callable[[operations.AnyOperation], None],
        chance: random.Random,
    ) -> None:
        self.username = username
        self.is_here = False
        """Whether it is connected."""
        self._token = token
        self._url = url
        self._note = note
        self._chance = chance
        self._numbers = itertools.count(1)
        self._wanted: bool | None = None
        self._changed = asyncio.Event()

    def settle(self, *, here: bool) -> None:
        """Come and stay, or go and stay away."""
        self._wanted = here
        self._changed.set()

    async def call(self) -> None:
        """Connect for a moment, so that the server knows the user; nobody watches yet."""
        async with Talker(self._url, self._token):
            pass

    async def run(self) -> None:
        while True:
            if self._wanted is False:
                await asyncio.Event().wait()
            try:
                await self._visit()
            except (OSError, InvalidHandshake, TimeoutError, ConnectionClosed):
                await asyncio.sleep(self._chance.uniform(*PAUSE_S))
                continue
            if self._wanted is None:
                await self._wait(self._chance.uniform(*self._chance.choice((BLINK_S, ABSENT_S))))

    async def _wait(self, seconds: float) -> None:
        """Return after this time, or when told how to end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def _visit(self) -> None:
        """Connect and stay for a while; at the end, close properly or not at all."""
        socket = await connect(
            self._url, compression=None, open_timeout=PATIENCE_S, close_timeout=1, max_size=2**24, proxy=None,
            ping_interval=PATIENCE_S, ping_timeout=PATIENCE_S,
        )  # fmt: skip
        name = f"{self.username}/{next(self._numbers)}"
        try:
            await socket.send(encode(frames.Connect(token=self._token)).decode())
            async with asyncio.timeout(PATIENCE_S):
                welcome = decode_server_frame(await socket.recv())
            if not isinstance(welcome, frames.Welcome):
                return
            self._note(operations.Came(at_s=time.monotonic(), connection=name, username=self.username))
            self.is_here = True
            await self._stay(socket)
        finally:
            if self.is_here:
                self.is_here = False
                self._note(operations.Went(at_s=time.monotonic(), connection=name))
            if self._chance.random() < 0.5:
                socket.transport.abort()
            await socket.close()

    async def _stay(self, socket: ClientConnection) -> None:
        async def read() -> None:
            async for data in socket:
                if isinstance(decode_server_frame(data), frames.Move):
                    return

        reading = asyncio.ensure_future(read())
        leaving = asyncio.ensure_future(self._leave())
        try:
            await asyncio.wait((reading, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, leaving):
                task.cancel()
            await asyncio.gather(reading, leaving, return_exceptions=True)

    async def _leave(self) -> None:
        """Return when it is time to go."""
        if self._wanted is None:
            await self._wait(self._chance.uniform(*STAY_S))
        if self._wanted:
            await asyncio.Event().wait()
