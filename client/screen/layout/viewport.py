"""Timeline on the screen: which rows of the open room fit, and scrolling among them. Pure."""

from dataclasses import dataclass, field
from typing import NamedTuple

from client.screen.layout.message_blocks import MessageBlocks
from client.screen.layout.message_rows import SELECTED_BARS, RowStyle
from client.screen.layout.people.receipt_row import seen_by
from client.screen.layout.spans import Row, SpanRole
from client.screen.model.chat_model import ChatModel
from client.screen.model.scroll_position import BlockKey, ScrollPosition, message_key


class ViewportRow(NamedTuple):
    """A row on the screen, the block that it belongs to, and its number in the block."""

    key: BlockKey
    number: int
    row: Row


@dataclass
class Viewport:
    """Moves a scroll position over the rows of a room. `height` is the number of rows of the screen."""

    position: ScrollPosition = field(default_factory=ScrollPosition)

    def rows(self, blocks: MessageBlocks, height: int) -> list[ViewportRow]:
        """Return at most `height` rows. Once the last row is among them, the newest message is followed."""
        if self.position.anchor is not None:
            shown = _rows_from(blocks, self.position.anchor, height + 1)
            if len(shown) > height:
                return shown[:height]
            self.position.follow()
        return _last_rows(blocks, height)

    def scroll(self, blocks: MessageBlocks, height: int, by: int) -> None:
        """Scroll up (negative) or down by `by` rows."""
        rows = self.rows(blocks, height)
        if not rows or (self.position.follows and (by > 0 or len(rows) < height)):
            return
        self.position.hold(*_moved(blocks, (rows[0].key, rows[0].number), by))
        self.rows(blocks, height)

    def show(self, blocks: MessageBlocks, height: int, key: BlockKey) -> None:
        """Scroll a block onto the screen, some rows below its upper edge, unless it is there already."""
        if any(row.key == key for row in self.rows(blocks, height)[:-1]):
            return
        self.position.hold(*_moved(blocks, (key, 0), -min(3, height // 3)))
        self.rows(blocks, height)


class TimelineView:
    """The open room on the screen, in the size and style of the last call of `draw`."""

    def __init__(self, model: ChatModel) -> None:
        self._model = model
        self._style, self._height = RowStyle(80), 10
        self._blocks = MessageBlocks(model.shown, self._style)
        self._viewport = Viewport(model.position)
        self._drawn: list[ViewportRow] = []

    def draw(self, style: RowStyle, height: int) -> list[ViewportRow]:
        """Return the rows to draw. They count as read, and the pages missing among them are requested."""
        self._style, self._height = style, height
        self._drawn = self._laid_out().rows(self._blocks, height)
        self._model.mark_drawn([(row.key, row.number) for row in self._drawn])
        return self._drawn

    def newest_message(self) -> BlockKey | None:
        """Return the last message among the rows drawn last."""
        return next((row.key for row in reversed(self._drawn) if row.key.is_message), None)

    def scroll(self, by: int) -> None:
        """Scroll up (negative) or down by `by` rows."""
        self._model.room.pages.retry_refused()
        self._laid_out().scroll(self._blocks, self._height, by)

    def scroll_page(self, direction: int) -> None:
        """Scroll up (-1) or down (1) by one screen, less one row."""
        self.scroll(direction * max(1, self._height - 1))

    def show(self, key: BlockKey) -> None:
        """Scroll a block onto the screen."""
        self._laid_out().show(self._blocks, self._height, key)

    def show_first_unread(self) -> bool:
        """Scroll to the unread line, after loading its messages if necessary; False if nothing is unread."""
        line, first = self._model.room.unread_line, self._model.room.log.first
        if line is None:
            return False
        self._model.close_thread()
        if first is None or first > line + 1:
            self._model.seek(line + 1)
        else:
            self.show(message_key(line + 1))
        return True

    def _laid_out(self) -> Viewport:
        """The viewport, over the rows of the open room, or of a thread, and after a pending jump."""
        self._blocks.show(self._model.shown, self._style, seen_by(self._model))
        if (target := self._model.position.take_target()) is not None:
            self._viewport.show(self._blocks, self._height, target)
        return self._viewport


def at_bottom(rows: list[ViewportRow], height: int, selected: BlockKey | None) -> tuple[list[Row], set[int]]:
    """Fill up `height` rows from above. Return also the numbers of those of the selected block.

    They have a thicker bar: a colour alone is not visible to everybody.
    """
    blank = max(0, height - len(rows))
    marked = {blank + index for index, row in enumerate(rows) if row.key == selected}
    return [*([()] * blank), *(_selected(row.row) if row.key == selected else row.row for row in rows)], marked


def _selected(row: Row) -> Row:
    return tuple(span._replace(text=SELECTED_BARS[span.text]) if span.role is SpanRole.BAR else span for span in row)


def _rows_from(blocks: MessageBlocks, anchor: tuple[BlockKey, int], height: int) -> list[ViewportRow]:
    index, skip = blocks.index_of(anchor[0]), anchor[1]
    out: list[ViewportRow] = []
    while len(out) < height and index < blocks.count:
        out += _block_rows(blocks, index)[skip:]
        index, skip = index + 1, 0
    return out[:height]


def _last_rows(blocks: MessageBlocks, height: int) -> list[ViewportRow]:
    out: list[ViewportRow] = []
    index = blocks.count - 1
    while len(out) < height and index >= 0:
        out = _block_rows(blocks, index) + out
        index -= 1
    return out[-height:] if height else []


def _block_rows(blocks: MessageBlocks, index: int) -> list[ViewportRow]:
    key = blocks.key(index)
    return [ViewportRow(key, number, row) for number, row in enumerate(blocks.rows(index))]


def _moved(blocks: MessageBlocks, at: tuple[BlockKey, int], by: int) -> tuple[BlockKey, int]:
    """Return the position `by` rows further, or the first or last row if there are fewer."""
    index, number = blocks.index_of(at[0]), at[1] + by
    while number < 0 and index > 0:
        index -= 1
        number += len(blocks.rows(index))
    while index < blocks.count - 1 and number >= (rows := len(blocks.rows(index))):
        number -= rows
        index += 1
    return blocks.key(index), max(0, number)
