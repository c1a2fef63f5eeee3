"""Reads pages of messages. Offsets have no gaps, so every page is a range of offsets and costs the same.

That also proves each page: the index gives the ids of a range of offsets, and each message, read by its id, names its
room and offset again. A page with a missing, additional or misplaced message comes from a damaged file.

The messages of a thread, pinned ones and changed ones are not consecutive: what is missing is not noticed, but each one
must be what the index says.
"""

from collections.abc import Mapping
from functools import cache
from itertools import pairwise

from chatterbox.chassis.sqlite.integrity import DatabaseDamagedError
from chatterbox.chassis.sqlite.reader_pool import Row, RowSource
from chatterbox.wire.errors import ChatError, Code
from services.history.core.message_page import MAX_INTEGER, ChangedMessages, MessagePage, PageSpan
from services.history.core.stored_message import COLUMNS, StoredMessage

_QUERY = """
    WITH span AS (
        SELECT id, name, epoch, head, topic, rev, floor,
            CASE WHEN :after IS NULL THEN min(:before - 1, head) - :skip - :limit ELSE :after + :skip END AS low,
            CASE WHEN :after IS NULL THEN min(:before - 1, head) - :skip
                ELSE min(:before - 1, :after + :skip + :limit) END AS high
        FROM rooms WHERE id = :room AND deleted_ms IS NULL
    )
    SELECT span.name, span.epoch, span.head, max(span.low + 1, span.floor), span.topic, span.rev,
        min(span.high, span.head), entry.offset, {proof}, message.room_id, {columns}
    FROM span
    LEFT JOIN messages AS entry ON entry.room_id = span.id AND entry.offset > span.low AND entry.offset <= span.high
    LEFT JOIN messages AS message ON message.id = entry.id
    ORDER BY entry.offset
"""
"""`entry` reads the index only, `message` the table."""

_COLUMNS = ", ".join(f"message.{column}" for column in COLUMNS)
_PROOF = """
    typeof(message.username) = 'text' AND typeof(message.content) = 'text' AND typeof(message.timestamp) = 'integer'
    AND (message.key IS NULL OR EXISTS (SELECT 1 FROM messages AS entry WHERE entry.room_id = message.room_id
        AND entry.key = message.key AND entry.user_id = message.user_id AND +entry.id = message.id))
"""
"""Also finds each message by its key, which is stored behind the text, so damage to a long text changes it."""
_PAGE = _QUERY.format(columns=_COLUMNS, proof="TRUE")
_PROVEN_PAGE = _QUERY.format(columns=_COLUMNS, proof=_PROOF)

_LISTED = """
    SELECT rooms.name, rooms.epoch, rooms.head, rooms.topic, rooms.rev, entry.id, {proof}, message.room_id, {columns}
    FROM rooms
    LEFT JOIN (SELECT id FROM messages WHERE room_id = :room AND {condition} LIMIT :limit) AS entry
    LEFT JOIN messages AS message ON message.id = entry.id
    WHERE rooms.id = :room AND rooms.deleted_ms IS NULL
"""
THREAD = "thread = :thread AND offset > :after AND offset < :before ORDER BY offset"
PINNED = "pinned_ms IS NOT NULL AND offset > :after AND offset < :before ORDER BY offset"
CHANGED = "rev > 0 AND rev > :after AND +offset >= :first ORDER BY rev"
"""`rev > 0` lets SQLite use the index of changed messages; `+` keeps it from using the one of offsets."""


async def read(source: RowSource, room_id: int, span: PageSpan, *, prove: bool = False) -> MessagePage:
    """Read one page; with `prove`, check each of its messages as `integrity_check` would.

    Raises `room_unknown`, `bad_request` for numbers outside the range of offsets, or `DatabaseDamagedError`.
    """
    if span.thread is not None or span.pinned:
        return await _listed_page(source, room_id, span, prove=prove)
    before = MAX_INTEGER if span.before is None else span.before
    numbers = {"room": room_id, "limit": span.limit, "before": before, "after": span.after, "skip": span.skip}
    _require_integers(numbers)
    rows = await source.rows(_PROVEN_PAGE if prove else _PAGE, numbers)
    if not rows:
        raise ChatError(Code.ROOM_UNKNOWN)
    return _page(room_id, rows)


def _require_integers(numbers: Mapping[str, int | None]) -> None:
    if not all(number is None or 0 <= number <= MAX_INTEGER for number in numbers.values()):
        raise ChatError(Code.BAD_REQUEST, f"Offsets and limits are integers from 0 to {MAX_INTEGER}.")


def _page(room_id: int, rows: list[Row]) -> MessagePage:
    room, epoch, head, first, topic, rev, last, entry_offset = rows[0][:8]
    entries = [] if entry_offset is None else rows
    if [row[8:11] for row in entries] != [(1, room_id, offset) for offset in range(first, last + 1)]:
        raise DatabaseDamagedError(f"messages {first} to {last} of room {room_id} are not stored as the index says")
    return MessagePage(room, epoch, head, first, topic, [StoredMessage._make(row[10:]) for row in entries], rev)


async def _listed_page(source: RowSource, room_id: int, span: PageSpan, *, prove: bool) -> MessagePage:
    """A page of a thread or of pinned messages: from `after` on, or the last ones before `before`."""
    before = MAX_INTEGER if span.before is None else span.before
    numbers = {"room": room_id, "limit": span.limit + 1, "before": before, "after": span.after or 0}
    condition = PINNED if span.thread is None else THREAD
    if span.thread is not None:
        numbers["thread"] = span.thread
    is_forward = span.after is not None
    rows = await _listed(source, condition if is_forward else f"{condition} DESC", numbers, prove=prove)
    room, epoch, head, topic, rev = rows[0][:5]
    found = _proven(room_id, rows)
    for message in found:
        if (message.thread != span.thread) if span.thread is not None else message.pinned_ms is None:
            raise _misplaced(room_id, message)
    kept = found[: span.limit] if is_forward else found[: span.limit][::-1]
    first = kept[0].offset if kept else head + 1
    return MessagePage(room, epoch, head, first, topic, kept, rev, len(found) > span.limit)


async def read_changes(
    source: RowSource, room_id: int, after: int, *, first: int, limit: int, prove: bool = False
) -> ChangedMessages:
    """Read the messages from offset `first` on that changed after rev `after`, the first `limit` of them by rev."""
    numbers = {"room": room_id, "limit": limit + 1, "after": after, "first": first}
    rows = await _listed(source, CHANGED, numbers, prove=prove)
    room, epoch, head, _, rev = rows[0][:5]
    found = _proven(room_id, rows)
    if any(earlier >= later for earlier, later in pairwise((after, *(message.rev for message in found)))):
        raise DatabaseDamagedError(f"the changes of room {room_id} are not stored as the index says")
    kept = found[:limit]
    return ChangedMessages(room, epoch, head, rev, kept[-1].rev if len(found) > limit else rev, kept)


async def _listed(source: RowSource, condition: str, numbers: Mapping[str, int], *, prove: bool) -> list[Row]:
    _require_integers(numbers)
    rows = await source.rows(listed_query(condition, prove=prove), numbers)
    if not rows:
        raise ChatError(Code.ROOM_UNKNOWN)
    return rows


@cache
def listed_query(condition: str, *, prove: bool) -> str:
    """The query of one kind of list: `THREAD`, `PINNED` or `CHANGED`, with or without ` DESC`."""
    return _LISTED.format(columns=_COLUMNS, condition=condition, proof=_PROOF if prove else "TRUE")


def _proven(room_id: int, rows: list[Row]) -> list[StoredMessage]:
    entries = [] if rows[0][5] is None else rows
    if any(row[6:8] != (1, room_id) for row in entries):
        raise DatabaseDamagedError(f"messages of room {room_id} are not stored as the index says")
    return [StoredMessage._make(row[8:]) for row in entries]


def _misplaced(room_id: int, message: StoredMessage) -> DatabaseDamagedError:
    return DatabaseDamagedError(f"message {message.offset} of room {room_id} is not stored as the index says")
