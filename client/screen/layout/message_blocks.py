"""A room as a list of blocks, one for each message with what stands around it; laid out only where one looks. Pure."""

from datetime import date
from typing import NamedTuple, TypeAlias

from client.core.outbox_entry import OutboxEntry
from client.screen.layout import message_rows
from client.screen.layout.spans import Row, SpanRole
from client.screen.model.room_model import RoomModel
from client.text.note_text import NOT_SENT, time_of
from client.text.sanitize import inert

CACHED = 4_000


class BlockKey(NamedTuple):
    """Which block: the top (0), a message (1, by its offset), one on its way (2, by its place in the queue)."""

    kind: int
    number: int


TOP = BlockKey(0, 0)
_Cached: TypeAlias = dict[int, list[Row]]


class MessageBlocks:
    """The blocks of a room. The layouts of messages are kept until the look changes."""

    def __init__(self) -> None:
        self.room = RoomModel("")
        self.look = message_rows.RowStyle(80)
        self._cache: _Cached = {}
        self._of: tuple[object, ...] = ()

    def show(self, room: RoomModel, look: message_rows.RowStyle) -> None:
        """Be those of `room` from now on."""
        shown = (room.name, room.log.epoch, id(room.log), look)
        if shown != self._of or len(self._cache) > CACHED:
            self._cache, self._of = {}, shown
        self.room, self.look = room, look

    @property
    def count(self) -> int:
        return 1 + len(self.room.log) + len(self._waiting())

    def key(self, index: int) -> BlockKey:
        if index == 0:
            return TOP
        offsets = self.room.log.offsets
        return BlockKey(1, offsets[index - 1]) if index <= len(offsets) else BlockKey(2, index - len(offsets) - 1)

    def index_of(self, key: BlockKey) -> int:
        """Where a block stands now; if it is gone, the next one."""
        if key.kind == 0:
            return 0
        log = self.room.log
        at = 1 + (log.index_at(key.number) if key.kind == 1 else len(log) + key.number)
        return min(at, self.count - 1)

    def rows(self, index: int) -> list[Row]:
        """The rows of a block; at least one."""
        log = self.room.log
        if index == 0:
            return [*self._beginning(), *self._first_notices()]
        if index > len(log):
            return self._on_its_way(index - len(log) - 1)
        offset = log.offsets[index - 1]
        return [*self._before(index - 1, offset), *self._message(offset), *self._notices(offset)]

    def _message(self, offset: int) -> list[Row]:
        if offset not in self._cache:
            self._cache[offset] = message_rows.message_rows(self.room.log[offset], self.look)
        return self._cache[offset]

    def _before(self, index: int, offset: int) -> list[Row]:
        """What has to be said before a message: a hole, a new day, that what follows is unread."""
        log, out = self.room.log, []
        before = log.offsets[index - 1] if index else 0
        if missing := log.hole_before(index):
            role = SpanRole.ERROR if log.is_lost(offset) else SpanRole.GAP
            out.append(self._rule(self._hole(missing, offset), role))
        day = self._day(offset)
        if day and (not before or day != self._day(before)):
            out.append(self._rule(f"{day:%A %d %B %Y}", SpanRole.DAY))
        if self._is_first_unread(index, before, offset):
            out.append(self._rule("unread", SpanRole.UNREAD))
        return out

    def _is_first_unread(self, index: int, before: int, offset: int) -> bool:
        line = self.room.line
        if line is None or not before <= line < offset:
            return False
        return index > 0 or line == offset - 1 or self.room.log.complete

    def _hole(self, missing: int, offset: int) -> str:
        count = "1 message" if missing == 1 else f"{missing} messages"
        return f"{count} missing: the server has lost them" if self.room.log.is_lost(offset) else f"{count} to load"

    def _beginning(self) -> list[Row]:
        name, log = inert(self.room.name), self.room.log
        if log.complete:
            return [self._rule(f"this is where #{name} begins", SpanRole.GAP)]
        if log.is_full:
            return [self._rule("older messages do not fit into memory", SpanRole.GAP)]
        return [self._rule("older messages" if log else f"#{name}: no messages here yet", SpanRole.GAP)]

    def _first_notices(self) -> list[Row]:
        """What was said before the first message, perhaps after one that is still to load."""
        places = {0, (self.room.log.first or 1) - 1}
        return [row for offset in sorted(places) for row in self._notices(offset)]

    def _notices(self, offset: int) -> list[Row]:
        texts = self.room.notices.get(offset, ())
        return [row for text in texts for row in message_rows.notice_rows(text, self.look, _role_of(text))]

    def _waiting(self) -> list[tuple[OutboxEntry, str, str]]:
        """One's own messages that do not stand in the log: acked ones in their order, then the outbox."""
        landed = [(self.room.landed[at], message_rows.LANDED, "stored") for at in sorted(self.room.landed)]
        queued = [(entry, message_rows.QUEUED, "queued") for entry in self.room.sending]
        if queued and self.room.in_flight:
            queued[0] = (queued[0][0], message_rows.SENDING, "sending")
        return landed + queued

    def _on_its_way(self, number: int) -> list[Row]:
        entry, mark, state = self._waiting()[number]
        return message_rows.entry_rows(entry, self.look, mark=mark, state=state)

    def _day(self, offset: int) -> date | None:
        at = time_of(self.room.log[offset].timestamp, self.look.zone)
        return at.date() if at else None

    def _rule(self, text: str, role: SpanRole) -> Row:
        return message_rows.rule(text, role, self.look)


def _role_of(notice: str) -> SpanRole:
    return SpanRole.ERROR if notice.startswith(NOT_SENT) else SpanRole.NOTICE
