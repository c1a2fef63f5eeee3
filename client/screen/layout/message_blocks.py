"""The timeline of a room as blocks of rows, one per message, laid out on demand. Pure."""

from datetime import date
from typing import TypeAlias, assert_never

from chatterbox.wire.frames import Message
from client.core.outbox_entry import OutboxEntry
from client.screen.layout import message_rows
from client.screen.layout.people.receipt_row import SeenBy, receipt_row
from client.screen.layout.spans import Row, SpanRole
from client.screen.model.messages.thread_model import ThreadModel
from client.screen.model.rooms.room_model import RoomModel
from client.screen.model.scroll_position import TOP, BlockKey, BlockKind, message_key
from client.text.local_time import time_of
from client.text.note_text import NOT_SENT
from client.text.room_text import shown_room

CACHE_LIMIT = 4_000
"""Laid-out messages kept."""

_CacheKey: TypeAlias = tuple[str, str, int, int, message_rows.RowStyle]


class MessageBlocks:
    """The blocks of a room or thread: its top, its messages with rules and notices around them, its outgoing messages.

    Laid-out messages are cached until the room, its history, the style or a message changes.
    """

    def __init__(self, room: RoomModel | ThreadModel, style: message_rows.RowStyle) -> None:
        self.room = room
        self.style = style
        self._cache: dict[int, tuple[Message | None, frozenset[str], list[Row]]] = {}
        """By offset: the message that this one answers, the user's own reactions to it, and its rows."""
        self._cache_key: _CacheKey | None = None
        self._seen: SeenBy | None = None

    def show(self, room: RoomModel | ThreadModel, style: message_rows.RowStyle, seen: SeenBy | None = None) -> None:
        """Switch to this room, or thread, and style. `seen`: who has seen the user's last message."""
        cache_key = (room.name, room.log.epoch, id(room.log), room.log.replaced, style)
        if cache_key != self._cache_key or len(self._cache) > CACHE_LIMIT:
            self._cache, self._cache_key = {}, cache_key
        self.room, self.style, self._seen = room, style, seen

    @property
    def count(self) -> int:
        return 1 + len(self.room.log) + len(self._outgoing())

    def key(self, index: int) -> BlockKey:
        if index == 0:
            return TOP
        offsets = self.room.log.offsets
        if index <= len(offsets):
            return message_key(offsets[index - 1])
        return BlockKey(BlockKind.OUTGOING, index - len(offsets) - 1)

    def index_of(self, key: BlockKey) -> int:
        """Return the index of a block, or of the next one if it is gone."""
        log = self.room.log
        match key.kind:
            case BlockKind.TOP:
                return 0
            case BlockKind.MESSAGE:
                index = 1 + log.index_at(key.number)
            case BlockKind.OUTGOING:
                index = 1 + len(log) + key.number
            case _:
                assert_never(key.kind)
        return min(index, self.count - 1)

    def rows(self, index: int) -> list[Row]:
        """Return the rows of a block, at least one."""
        log = self.room.log
        if index == 0:
            return [*self._top(), *self._first_notices()]
        if index > len(log):
            entry, mark, state = self._outgoing()[index - len(log) - 1]
            return message_rows.entry_rows(entry, self.style, mark=mark, state=state)
        offset = log.offsets[index - 1]
        return [
            *self._rules(index - 1, offset),
            *self._message(offset),
            *self._receipts(offset),
            *self._notices(offset),
        ]

    def _message(self, offset: int) -> list[Row]:
        message = self.room.log[offset]
        replied = self.room.log.get(message.reply_to) if message.reply_to else None
        cached = self._cache.get(offset)
        own = self.room.own_reactions.of(offset)
        if cached is None or cached[0] is not replied or cached[1] != own:
            begins_thread = isinstance(self.room, ThreadModel) and message.reply_to == self.room.root
            rows = message_rows.message_rows(message, self.style, replied, own, shows_answered=not begins_thread)
            cached = self._cache[offset] = (replied, own, rows)
        return cached[2]

    def _receipts(self, offset: int) -> list[Row]:
        if self._seen is None or self._seen.offset != offset:
            return []
        return [message_rows.below(receipt_row(self._seen.names, self.style.text_columns), self.style)]

    def _rules(self, index: int, offset: int) -> list[Row]:
        """The rules above a message: for a gap, a new day, and the first unread message."""
        log, out = self.room.log, []
        before = log.offsets[index - 1] if index else 0
        if missing := log.gap_before(index):
            role = SpanRole.ERROR if log.is_lost(offset) else SpanRole.GAP
            out.append(self._rule(self._gap(missing, offset), role))
        day = self._day(offset)
        if day and (not before or day != self._day(before)):
            out.append(self._rule(f"{day:%A %d %B %Y}", SpanRole.DAY))
        if self._is_first_unread(index, before, offset):
            out.append(self._rule("unread", SpanRole.UNREAD))
        return out

    def _is_first_unread(self, index: int, before: int, offset: int) -> bool:
        line = self.room.unread_line
        if line is None or not before <= line < offset:
            return False
        return index > 0 or line == offset - 1 or self.room.log.complete

    def _gap(self, missing: int, offset: int) -> str:
        if isinstance(self.room, ThreadModel):
            return "1 earlier reply to load" if missing == 1 else f"{missing} earlier replies to load"
        count = "1 message" if missing == 1 else f"{missing} messages"
        return f"{count} missing: lost by the server" if self.room.log.is_lost(offset) else f"{count} to load"

    def _top(self) -> list[Row]:
        name, log = shown_room(self.room.name), self.room.log
        if isinstance(self.room, ThreadModel):
            text = f"thread in {name}"
        elif log.complete:
            text = f"beginning of {name}"
        elif log.is_full:
            text = "older messages do not fit into memory"
        else:
            text = "older messages" if log else f"{name}: no messages here yet"
        return [self._rule(text, SpanRole.GAP)]

    def _first_notices(self) -> list[Row]:
        """Notices above the first message. They may be anchored to the one before it, which is not loaded."""
        offsets = {0, (self.room.log.first or 1) - 1}
        return [row for offset in sorted(offsets) for row in self._notices(offset)]

    def _notices(self, offset: int) -> list[Row]:
        texts = self.room.notices.below(offset)
        return [row for text in texts for row in message_rows.notice_rows(text, self.style, _role_of(text))]

    def _outgoing(self) -> list[tuple[OutboxEntry, str, str]]:
        """The user's messages that are not in the log, with mark and state: acked ones by offset, then the outbox."""
        acked = [(self.room.acked[at], message_rows.STORED, "stored") for at in sorted(self.room.acked)]
        queued = [(entry, message_rows.QUEUED, "queued") for entry in self.room.outbox]
        if queued and self.room.in_flight:
            queued[0] = (queued[0][0], message_rows.SENDING, "sending")
        return acked + queued

    def _day(self, offset: int) -> date | None:
        at = time_of(self.room.log[offset].timestamp, self.style.zone)
        return at.date() if at else None

    def _rule(self, text: str, role: SpanRole) -> Row:
        return message_rows.rule(text, role, self.style)


def _role_of(notice: str) -> SpanRole:
    return SpanRole.ERROR if notice.startswith(NOT_SENT) else SpanRole.NOTICE
