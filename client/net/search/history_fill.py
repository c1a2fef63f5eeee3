"""Reads the history of encrypted rooms that search does not know yet: in the background, while nothing else happens.

It goes back from the newest message of each room, a page at a time. What was read is in the index, so the next run
goes on where this one ended.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from chatterbox.wire import frames
from chatterbox.wire.errors import ChatError
from chatterbox.wire.position import Position
from client.core.client_state import ClientState, ConnectionPhase
from client.encryption.command_link import LinkBroken
from client.encryption.message_encryption import EncryptedRoom, MessageEncryption
from client.encryption.search.covered_offsets import CoveredRange, OffsetRange
from client.failures import Failure

BEGIN_S = 5.0
"""How long a connection lasts before it begins."""
PAUSE_S = 1.0
"""Time between two pages, and between two looks whether the connection is idle (seconds)."""
QUIET_S = 2.0
"""Nothing was decrypted or encrypted for so long: the connection is idle."""
ROUND_S = 300.0
"""Time after which it is looked for more to read."""
PAGE = 200
MAX_PAGES = 1000
"""Pages that one connection reads."""
LOCKED = 2000
"""Messages of each room whose keys were missing, and which are tried again once in a connection."""


class HistoryFill:
    """Reads for search over one connection."""

    def __init__(
        self,
        encryption: MessageEncryption,
        state: Callable[[], ClientState],
        ask: Callable[[frames.Command], Awaitable[frames.Reply]],
        quiet_s: Callable[[], float],
    ) -> None:
        """`quiet_s`: for how long nothing was decrypted or encrypted for others."""
        self._encryption = encryption
        self._state = state
        self._ask = ask
        self._quiet_s = quiet_s
        self._pages_left = MAX_PAGES

    async def run(self) -> None:
        """Read until the connection ends, or as much as it may."""
        await asyncio.sleep(BEGIN_S)
        locked = LOCKED
        with suppress(LinkBroken, Failure):
            while self._pages_left > 0:
                await self._until_idle()
                for room, missing in await self._encryption.not_indexed(self._heads(), locked=locked):
                    with suppress(ChatError):  # not a member any more, or too fast: it is tried again later
                        await self._read(room, missing)
                locked = 0
                await asyncio.sleep(ROUND_S)

    def _heads(self) -> list[tuple[EncryptedRoom, Position]]:
        """The encrypted rooms, each with its newest message."""
        state = self._state()
        rooms = [(state.encrypted_room(name), stream.at) for name, stream in state.streams.items()]
        return [(room, at) for room, at in rooms if room is not None]

    async def _read(self, room: EncryptedRoom, missing: CoveredRange) -> None:
        """Read a range of a room, back from its end."""
        first, last = missing.offsets
        while last >= first and self._pages_left > 0:
            await self._until_idle()
            self._pages_left -= 1
            limit = min(PAGE, last - first + 1)
            reply = await self._ask(frames.ReadHistory(id=0, room=room.name, before=last + 1, limit=limit))
            if not isinstance(reply, frames.Page) or any(each.at.epoch != missing.epoch for each in reply.messages):
                return  # the room began a new history: it is read in the next round
            begin = reply.messages[0].at.offset if reply.messages else 1
            begin = begin if reply.more else 1
            covered = CoveredRange(missing.epoch, OffsetRange(min(begin, last), last))
            await self._encryption.index(room, reply.messages, covered)
            last = begin - 1
            await asyncio.sleep(PAUSE_S)

    async def _until_idle(self) -> None:
        while True:
            if self._state().phase is ConnectionPhase.LIVE and self._quiet_s() >= QUIET_S:
                return
            await asyncio.sleep(PAUSE_S)
