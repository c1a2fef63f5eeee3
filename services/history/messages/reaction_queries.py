"""Queries for reactions: who reacted to a message, and what one user reacted with. Reads only."""

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire.frames import Reaction

NAMED_IN_FULL = 1000
"""Users of one emoji that the list of a message's reactions names."""

_OF_MESSAGE = """
    SELECT emoji, n, (SELECT username FROM memberships WHERE user_id = ranked.user_id LIMIT 1) FROM (
        SELECT emoji, user_id, count(*) OVER (PARTITION BY emoji) AS n, min(place) OVER (PARTITION BY emoji) AS first,
            row_number() OVER (PARTITION BY emoji ORDER BY place) AS number
        FROM reactions
        WHERE message_id = (SELECT id FROM messages WHERE room_id = ? AND offset = ?)
    ) AS ranked WHERE number <= ? ORDER BY first, number
"""
"""Every user is a member of the room that everyone is in, so the name is found."""
_OWN = """
    SELECT messages.offset, reactions.emoji FROM messages
    JOIN reactions ON reactions.message_id = messages.id AND reactions.user_id = ?
    WHERE messages.room_id = ? AND messages.offset >= ? AND messages.offset <= ?
    ORDER BY messages.offset, reactions.place
"""


async def of_message(source: RowSource, room_id: int, offset: int) -> list[Reaction]:
    """The reactions to a message, with the first `NAMED_IN_FULL` users of each."""
    names: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for emoji, count, username in await source.rows(_OF_MESSAGE, (room_id, offset, NAMED_IN_FULL)):
        counts[emoji] = count
        names.setdefault(emoji, []).append(username)
    return [Reaction(emoji=emoji, n=counts[emoji], by=tuple(by)) for emoji, by in names.items()]


async def own(source: RowSource, room_id: int, user_id: int, first: int, last: int) -> list[tuple[int, str]]:
    """The reactions of one user to the messages of a range of offsets: offsets and emoji."""
    return [(offset, emoji) for offset, emoji in await source.rows(_OWN, (user_id, room_id, first, last))]
