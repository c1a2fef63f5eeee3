"""Scroll position of the open room: the first row on the screen, or the newest message. Pure."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class BlockKind(IntEnum):
    """What a block of the timeline is, in the order in which blocks are shown."""

    TOP = 0
    MESSAGE = 1
    OUTGOING = 2


class BlockKey(NamedTuple):
    """Identifies a block of rows: a message by its offset, an outgoing message by its index in the queue."""

    kind: BlockKind
    number: int

    @property
    def is_message(self) -> bool:
        return self.kind is BlockKind.MESSAGE


TOP = BlockKey(BlockKind.TOP, 0)


def message_key(offset: int) -> BlockKey:
    return BlockKey(BlockKind.MESSAGE, offset)


@dataclass
class ScrollPosition:
    """`anchor` is the block of the first row on the screen and the row's number in it; None follows the newest.

    New rows above or below the anchor don't move it.
    """

    anchor: tuple[BlockKey, int] | None = None
    _target: BlockKey | None = None

    @property
    def follows(self) -> bool:
        """Whether the screen follows the newest message."""
        return self.anchor is None and self._target is None

    def follow(self) -> None:
        """Follow the newest message."""
        self.anchor = self._target = None

    def hold(self, key: BlockKey, row: int) -> None:
        """Make this row the first on the screen."""
        self.anchor = (key, row)

    def keep_first_message(self, offset: int | None, below: BlockKey = TOP) -> None:
        """If the top of the room is the first row, hold the message below it: older messages are put above it.

        `below`: the last block above that message.
        """
        if offset is not None and self.anchor is not None and self.anchor[0] <= below:
            self.anchor = (message_key(offset), 0)

    def jump_to(self, key: BlockKey) -> None:
        """Bring a block onto the screen at the next layout."""
        self._target = key

    def take_target(self) -> BlockKey | None:
        """Return the block that a jump waits for, and forget it."""
        target, self._target = self._target, None
        return target
