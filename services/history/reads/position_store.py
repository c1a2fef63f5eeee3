"""Stores read positions, many in one transaction. Repeating one, or an earlier one, has no effect."""

from collections.abc import Sequence

import msgspec

from chatterbox.wire.history_api import ReadPosition
from services.history.core.read_positions import ReadPoint, advanced
from services.history.messages.write_transaction import WriteTransaction

_STORED = """
    SELECT mine.room_id, mine.user_id, turn, read, head FROM json_each(?) AS wanted
    JOIN read_states AS mine ON mine.room_id = json_extract(wanted.value, '$[0]')
        AND mine.user_id = json_extract(wanted.value, '$[1]')
    JOIN rooms ON rooms.id = mine.room_id
"""
_ADVANCE = """
    UPDATE read_states SET turn = json_extract(value, '$[2]'), read = json_extract(value, '$[3]')
    FROM json_each(?) WHERE room_id = json_extract(value, '$[0]') AND user_id = json_extract(value, '$[1]')
"""


async def store(transaction: WriteTransaction, positions: Sequence[ReadPosition]) -> list[tuple[int, int]]:
    """Store the greatest positions; returns (room id, user id) of those that have grown."""
    reported: dict[tuple[int, int], list[ReadPosition]] = {}
    for position in positions:
        reported.setdefault((position.room_id, position.user_id), []).append(position)
    grown: dict[tuple[int, int], ReadPoint] = {}
    for room_id, user_id, turn, read, head in await transaction.rows(_STORED, (_json(list(reported)),)):
        stored = ReadPoint(turn, read)
        point = advanced(stored, reported[room_id, user_id], head)
        if point != stored:
            grown[room_id, user_id] = point
    if grown:
        transaction.readers |= {user_id for _, user_id in grown}
        await transaction.rows(_ADVANCE, (_json([(*place, *point) for place, point in grown.items()]),))
    return list(grown)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
