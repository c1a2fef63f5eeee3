"""Reads how far the members of small rooms have read, as the others are told."""

from collections.abc import Sequence

import msgspec

from chatterbox.chassis.sqlite.reader_pool import RowSource

_SMALL = "SELECT rooms.id FROM json_each(?) JOIN rooms ON rooms.id = value WHERE members <= ?"
_READERS = """
    SELECT mine.room_id, mine.user_id, mine.username FROM json_each(?) AS wanted
    JOIN memberships AS mine ON mine.room_id = json_extract(wanted.value, '$[0]')
        AND mine.user_id = json_extract(wanted.value, '$[1]')
    LEFT JOIN people ON people.user_id = mine.user_id
    WHERE ifnull(presence AND receipts, 1)
"""
_RECEIPTS = """
    SELECT username, read FROM rooms
    JOIN memberships ON memberships.room_id = rooms.id
    JOIN read_states ON read_states.user_id = memberships.user_id AND read_states.room_id = rooms.id
    LEFT JOIN people ON people.user_id = memberships.user_id
    WHERE rooms.id = ? AND rooms.members <= ? AND ifnull(presence AND receipts, 1)
"""


async def readers(
    source: RowSource, members: Sequence[tuple[int, int]], most_members: int
) -> dict[tuple[int, int], str]:
    """The usernames of those of these (room id, user id) who show the others of a small room how far they have read.

    In a large room, which may have thousands of readers at once, it costs one look-up for all of them.
    """
    room_ids = {room_id for room_id, _ in members}
    small = {room_id for (room_id,) in await source.rows(_SMALL, (_json(list(room_ids)), most_members))}
    wanted = [member for member in members if member[0] in small]
    rows = await source.rows(_READERS, (_json(wanted),)) if wanted else []
    return {(room_id, user_id): username for room_id, user_id, username in rows}


async def receipts(source: RowSource, room_id: int, most_members: int) -> dict[str, int]:
    """How far the members of a small room have read it, by username, of those who show it."""
    return dict(await source.rows(_RECEIPTS, (room_id, most_members)))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
