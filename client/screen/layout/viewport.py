"""Which rows of a room are on the screen: held by a block and a row in it, so that nothing moves by itself. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

from client.screen.layout.message_blocks import BlockKey, MessageBlocks
from client.screen.layout.spans import Row


class ViewportRow(NamedTuple):
    """A row on the screen, the block that it belongs to, and its number in it."""

    key: BlockKey
    number: int
    row: Row


@dataclass
class Viewport:
    """Where one looks. `anchor` is the first row on the screen; None follows the newest."""

    anchor: tuple[BlockKey, int] | None = None

    @property
    def follows(self) -> bool:
        return self.anchor is None

    def lines(self, blocks: MessageBlocks, height: int) -> list[ViewportRow]:
        """The rows on a screen of so many; fewer if there are no more. Follows, once the end is on the screen."""
        if self.anchor is not None:
            shown = _forward(blocks, self.anchor, height + 1)
            if len(shown) > height:
                return shown[:height]
            self.anchor = None
        return _backward(blocks, height)

    def scroll(self, blocks: MessageBlocks, height: int, by: int) -> None:
        """Go up (negative) or down by some rows."""
        lines = self.lines(blocks, height)
        if not lines or (self.follows and (by > 0 or len(lines) < height)):
            return
        self.anchor = _moved(blocks, (lines[0].key, lines[0].number), by)
        self.lines(blocks, height)

    def go_to(self, blocks: MessageBlocks, height: int, key: BlockKey) -> None:
        """Bring a block onto the screen, some rows below its edge, unless it is there already."""
        lines = self.lines(blocks, height)
        if any(line.key == key for line in lines[:-1]):
            return
        self.anchor = _moved(blocks, (key, 0), -min(3, height // 3))
        self.lines(blocks, height)


def _forward(blocks: MessageBlocks, anchor: tuple[BlockKey, int], height: int) -> list[ViewportRow]:
    index, skip = blocks.index_of(anchor[0]), anchor[1]
    out: list[ViewportRow] = []
    while len(out) < height and index < blocks.count:
        out += _lines(blocks, index)[skip:]
        index, skip = index + 1, 0
    return out[:height]


def _backward(blocks: MessageBlocks, height: int) -> list[ViewportRow]:
    out: list[ViewportRow] = []
    index = blocks.count - 1
    while len(out) < height and index >= 0:
        out = _lines(blocks, index) + out
        index -= 1
    return out[-height:] if height else []


def _lines(blocks: MessageBlocks, index: int) -> list[ViewportRow]:
    key = blocks.key(index)
    return [ViewportRow(key, number, row) for number, row in enumerate(blocks.rows(index))]


def _moved(blocks: MessageBlocks, at: tuple[BlockKey, int], by: int) -> tuple[BlockKey, int]:
    """The place `by` rows further; the first or the last row if there are not so many."""
    index, number = blocks.index_of(at[0]), at[1] + by
    while number < 0 and index > 0:
        index -= 1
        number += len(blocks.rows(index))
    while index < blocks.count - 1 and number >= (rows := len(blocks.rows(index))):
        number -= rows
        index += 1
    return blocks.key(index), max(0, number)
