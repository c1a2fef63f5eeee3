"""Counting unread messages: what is in memory, and what is read from the database in a bounded time."""

import msgspec

from chatterbox.chassis.sqlite.reader_pool import Parameters, Row
from services.history.core.recent_senders import PER_ROOM, RecentSenders
from services.history.reads.read_states import FILLED_AT_ONCE, ReadStateReader, StoredReading

ADA, BOB = 1, 2


class Senders:
    """A stand-in for the database: every room's messages are of ada and bob in turn. Counts what is read."""

    def __init__(self) -> None:
        self.queries: list[int] = []

    async def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        [text] = parameters
        wanted = msgspec.json.decode(text, type=list[tuple[int, int, int]])
        found = [
            (number, offset, ADA if offset % 2 else BOB)
            for number, (_, after, through) in enumerate(wanted)
            for offset in range(after + 1, through + 1)
        ]
        self.queries.append(len(found))
        return found


def reading(room_id: int, read: int, head: int, user_id: int = ADA) -> StoredReading:
    return StoredReading(room_id, user_id, head, read, 0, "", 0, 0, 0)


async def unread(reader: ReadStateReader, *readings: StoredReading) -> dict[int, int]:
    return {each.room_id: state.unread for each, state in await reader.counted(readings)}


async def test_a_room_is_read_once_and_then_counted_in_memory() -> None:
    database = Senders()
    reader = ReadStateReader(database, RecentSenders())
    assert await unread(reader, reading(5, 10, 20)) == {5: 5}
    assert await unread(reader, reading(5, 12, 20)) == {5: 4}
    assert database.queries == [10]
    assert await unread(reader, reading(5, 9, 20), reading(5, 4, 20, BOB)) == {5: 8}
    assert database.queries == [10, 16]


async def test_rooms_that_are_read_or_too_far_behind_need_no_query() -> None:
    database = Senders()
    reader = ReadStateReader(database, RecentSenders())
    assert await unread(reader, reading(1, 9, 9), reading(2, 0, PER_ROOM + 1)) == {1: 0, 2: 999}
    assert database.queries == []


async def test_each_query_reads_a_bounded_number_of_messages() -> None:
    database = Senders()
    reader = ReadStateReader(database, RecentSenders())
    counts = await unread(reader, *(reading(room_id, 0, 1000) for room_id in range(1, 11)))
    assert set(counts.values()) == {500}
    assert len(counts) == 10
    assert max(database.queries) <= FILLED_AT_ONCE
    assert sum(database.queries) == 10_000


async def test_memory_that_forgets_what_was_just_read_does_not_change_counts() -> None:
    database = Senders()
    reader = ReadStateReader(database, RecentSenders(total=100))
    assert await unread(reader, *(reading(room_id, 0, 50) for room_id in range(1, 9))) == dict.fromkeys(range(1, 9), 25)


async def test_without_time_to_read_senders_all_messages_count_as_of_others() -> None:
    database = Senders()
    senders = RecentSenders()
    assert await unread(ReadStateReader(database, senders, fill_s=0), reading(5, 10, 20)) == {5: 10}
    assert database.queries == []
    assert await unread(ReadStateReader(database, senders), reading(5, 10, 20)) == {5: 5}
