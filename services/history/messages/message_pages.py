"""Reads pages of messages. Offsets have no gaps, so every page is a range of offsets and costs the same.

That also proves each page: the index gives the ids of a range of offsets, and each message, read by its id, names its
room and offset again. A page with a missing, additional or misplaced message comes from a damaged file.
"""

from typing import NamedTuple

import msgspec

from chatterbox.chassis.sqlite.integrity import DatabaseDamagedError
from chatterbox.chassis.sqlite.reader_pool import Row, RowSource
from chatterbox.wire import frames, text_rules
from chatterbox.wire.codec import encode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import StoredPage
from chatterbox.wire.position import Position

MAX_INTEGER = 2**53 - 1
"""The largest offset or id: the largest integer that every JSON parser keeps exactly."""

_QUERY = """
    WITH span AS (
        SELECT id, name, epoch, head, topic,
            CASE WHEN :after IS NULL THEN min(:before - 1, head) - :skip - :limit ELSE :after + :skip END AS low,
            CASE WHEN :after IS NULL THEN min(:before - 1, head) - :skip
                ELSE min(:before - 1, :after + :skip + :limit) END AS high
        FROM rooms WHERE id = :room AND deleted_ms IS NULL
    )
    SELECT span.name, span.epoch, span.head, max(span.low, 0) + 1, span.topic,
        min(span.high, span.head), entry.offset, {proof}, message.room_id,
        message.offset, message.id, message.username, message.content, message.timestamp
    FROM span
    LEFT JOIN messages AS entry ON entry.room_id = span.id AND entry.offset > span.low AND entry.offset <= span.high
    LEFT JOIN messages AS message ON message.id = entry.id
    ORDER BY entry.offset
"""
"""`entry` reads the index only, `message` the table."""

_PAGE = _QUERY.format(proof="TRUE")
_PROVEN_PAGE = _QUERY.format(
    proof="""
        typeof(message.username) = 'text' AND typeof(message.content) = 'text' AND typeof(message.timestamp) = 'integer'
        AND (message.key IS NULL OR EXISTS (SELECT 1 FROM messages AS entry WHERE entry.room_id = message.room_id
            AND entry.key = message.key AND entry.user_id = message.user_id AND +entry.id = message.id))
    """
)
"""Also finds each message by its key. The key is stored last, so damage to the rest of a long text changes it."""


class PageMessage(NamedTuple):
    """One message of a page."""

    offset: int
    message_id: int
    username: str
    content: str
    timestamp_ms: int


class MessagePage(NamedTuple):
    """Consecutive messages of a room, oldest first. `first` is the first one's offset, also of an empty page."""

    room: str
    epoch: str
    head: int
    first: int
    topic: str
    messages: list[PageMessage]


class PageSpan(NamedTuple):
    """Which messages to read: those after offset `after`, or (None) the newest; in both cases only below `before`.

    `skip` leaves out that many messages at the end from which the page is read.
    """

    limit: int
    after: int | None = None
    before: int | None = None
    skip: int = 0


async def read(source: RowSource, room_id: int, span: PageSpan, *, prove: bool = False) -> MessagePage:
    """Read one page; with `prove`, check each of its messages as `integrity_check` would.

    Raises `room_unknown`, `bad_request` for numbers outside the range of offsets, or `DatabaseDamagedError`.
    """
    before = MAX_INTEGER if span.before is None else span.before
    numbers = {"room": room_id, "limit": span.limit, "before": before, "after": span.after, "skip": span.skip}
    if not all(number is None or 0 <= number <= MAX_INTEGER for number in numbers.values()):
        raise ChatError(Code.BAD_REQUEST, f"Offsets and limits are integers from 0 to {MAX_INTEGER}.")
    rows = await source.rows(_PROVEN_PAGE if prove else _PAGE, numbers)
    if not rows:
        raise ChatError(Code.ROOM_UNKNOWN)
    return _page(room_id, rows)


def _page(room_id: int, rows: list[Row]) -> MessagePage:
    room, epoch, head, first, topic, last, entry_offset = rows[0][:7]
    entries = [] if entry_offset is None else rows
    if [row[7:10] for row in entries] != [(1, room_id, offset) for offset in range(first, last + 1)]:
        raise DatabaseDamagedError(f"messages {first} to {last} of room {room_id} are not stored as the index says")
    return MessagePage(room, epoch, head, first, topic, [PageMessage._make(row[9:]) for row in entries])


def to_stored_page(page: MessagePage) -> StoredPage:
    """The page for a gateway: encoded frames, which it forwards without decoding."""
    encoded = [msgspec.Raw(_frame(page, message)) for message in page.messages]
    return StoredPage(epoch=page.epoch, head=page.head, first=page.first, frames=encoded, topic=page.topic)


def _frame(page: MessagePage, message: PageMessage) -> bytes:
    return encode(
        frames.Message(
            room=page.room,
            at=Position(page.epoch, message.offset),
            message_id=message.message_id,
            username=message.username,
            content=message.content,
            timestamp=text_rules.timestamp(message.timestamp_ms),
        )
    )
