"""Whether an encrypted message stands where its sender put it: replays, swaps, gaps. Pure.

The server can't change a message, but it could show one twice, leave one out, or exchange two. Megolm accepts a
replayed message, so the reader has to remember where each one stood.
"""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from client.encryption.core.messages.message_payload import Place, TextContent
from client.encryption.core.messages.room_window import RoomWindow
from client.encryption.core.trust import Irregularity

MAX_EPOCHS = 8
"""Epochs of a room that are remembered: each restored backup begins one."""
BLOCK = 256
"""Texts of a session whose positions are stored together."""


class SeenBlock(msgspec.Struct, kw_only=True):
    """Where messages of a session stood: by epoch and by number. It only grows.

    A restored backup begins a new epoch, in which the same message may stand once more, at one offset.
    """

    offsets: dict[str, dict[int, int]] = {}

    def is_at(self, number: int, epoch: str, offset: int) -> bool:
        """Note that message `number` stands at `offset`; false if it stood elsewhere in this epoch: a replay."""
        if epoch not in self.offsets and len(self.offsets) >= MAX_EPOCHS:
            del self.offsets[next(iter(self.offsets))]
        return self.offsets.setdefault(epoch, {}).setdefault(number, offset) == offset

    def offset(self, number: int, epoch: str) -> int | None:
        """Where message `number` stood in this epoch; None: it was not shown."""
        return self.offsets.get(epoch, {}).get(number)


OffsetOf: TypeAlias = Callable[[Place], int | None]
"""Where a text stood in the present epoch; None: it was not shown."""


def irregularity(
    content: TextContent, place: Place, username: str, offset: int, offset_of: OffsetOf, window: RoomWindow
) -> Irregularity | None:
    """What is wrong with where a text stands. `window` holds what was shown before it."""
    previous = place._replace(n=place.n - 1) if place.n > 1 else content.before
    stood = None if previous is None else offset_of(previous)
    following = offset_of(place._replace(n=place.n + 1))
    if (stood is not None and stood > offset) or (following is not None and following < offset):
        return Irregularity.REORDERED
    if previous is not None and stood is None and window.proves_missing(previous, username, offset):
        return Irregularity.MISSING_BEFORE
    if content.window is not None and content.window.last < offset and window.contradicts(content.window):
        return Irregularity.TWO_HISTORIES
    return None
