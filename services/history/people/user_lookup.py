"""Finds users who have connected at least once, by name or id, and who of them share a room. Reads only."""

from collections.abc import Sequence

import msgspec

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire.auth_api import UserInfo

# Room 1 is the one that everyone is in; the index `users_by_name` has its members only.
_BY_NAME = """
    SELECT user_id, username FROM json_each(?) AS wanted
    JOIN memberships INDEXED BY users_by_name ON username = wanted.value COLLATE NOCASE AND room_id = 1
"""
_BY_ID = """
    SELECT wanted.value, (SELECT username FROM memberships WHERE user_id = wanted.value LIMIT 1)
    FROM json_each(?) AS wanted
"""
_SHARING = """
    SELECT shown.value, viewer.value FROM json_each(?) AS shown CROSS JOIN json_each(?) AS viewer
    WHERE shown.value <> viewer.value AND EXISTS (
        SELECT 1 FROM memberships AS theirs
        CROSS JOIN memberships AS mine ON mine.room_id = theirs.room_id AND mine.user_id = viewer.value
        CROSS JOIN rooms ON rooms.id = theirs.room_id AND NOT rooms.everyone
        WHERE theirs.user_id = shown.value)
"""


async def by_name(source: RowSource, usernames: Sequence[str]) -> list[UserInfo]:
    """The users with these names who have connected at least once. Only the case of ASCII letters may differ."""
    return [UserInfo(*row) for row in await source.rows(_BY_NAME, (_json(usernames),))]


async def by_id(source: RowSource, user_ids: Sequence[int]) -> list[UserInfo]:
    """The users with these ids who are in any room: all who have connected, or have a direct conversation."""
    rows = await source.rows(_BY_ID, (_json(user_ids),))
    return [UserInfo(user_id, username) for user_id, username in rows if username is not None]


async def sharing(source: RowSource, user_ids: Sequence[int], viewers: Sequence[int]) -> set[tuple[int, int]]:
    """The pairs of a user and a viewer who are in a common room, other than the one that everyone is in."""
    rows = await source.rows(_SHARING, (_json(user_ids), _json(viewers)))
    return {(user_id, viewer) for user_id, viewer in rows}


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
