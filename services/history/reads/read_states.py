"""Reads users' states of rooms: read position, unread messages, mentions, notification level."""

import asyncio
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire import text_rules
from chatterbox.wire.read_state import MOST_TOLD, NotificationLevel, ReadState
from services.history.core.read_positions import unread
from services.history.core.recent_senders import PER_ROOM, RecentSenders, SenderRun

FILLED_AT_ONCE = 4000
"""Messages whose senders are read from the database by one query, at least one room's."""
USERS_AT_ONCE = 200
"""Users whose states are read by one query: about 30 ms for 50 rooms each."""
COUNTED_PER_TURN = 1000
"""Members counted in one event-loop iteration: 1.6 ms. A crowd that connects has tens of thousands."""
FILL_S = 2.0
"""Time that one request may take to read senders from the database, or to wait for other requests that read them
(seconds). Connecting waits for it. The rest is counted without senders: the user's own messages are then told as unread
until the next request.
"""
_ROOM, _DIRECT, _NOTES = 0, 1, 2

COLUMNS = f"""
    mine.room_id, mine.user_id, head, read, turn, notify, quiet_until_ms,
    CASE WHEN rooms.name NOT LIKE '@%' THEN {_ROOM} WHEN members > 1 THEN {_DIRECT} ELSE {_NOTES} END,
    CASE WHEN head > read THEN
        (SELECT count(*) FROM mentions WHERE user_id = mine.user_id AND room_id = mine.room_id AND offset > read)
        + (SELECT count(*) FROM calls WHERE room_id = mine.room_id AND offset > read AND user_id <> mine.user_id)
        ELSE 0 END
"""  # noqa: S608 - constants
"""The columns of a `StoredReading`, from `read_states AS mine` and `rooms`."""
_OF_USERS = f"""
    SELECT {COLUMNS} FROM json_each(?) AS wanted
    JOIN read_states AS mine ON mine.user_id = wanted.value
    JOIN rooms ON rooms.id = mine.room_id
"""  # noqa: S608 - constants
_OF_MEMBERS = f"""
    SELECT {COLUMNS} FROM json_each(?) AS wanted
    JOIN read_states AS mine ON mine.room_id = json_extract(wanted.value, '$[0]')
        AND mine.user_id = json_extract(wanted.value, '$[1]')
    JOIN rooms ON rooms.id = mine.room_id
"""  # noqa: S608 - constants
_SENDERS = """
    SELECT wanted.key, offset, user_id FROM json_each(?) AS wanted
    JOIN messages ON room_id = json_extract(wanted.value, '$[0]')
        AND offset > json_extract(wanted.value, '$[1]') AND offset <= json_extract(wanted.value, '$[2]')
"""


class StoredReading(NamedTuple):
    """What is stored about one member of a room."""

    room_id: int
    user_id: int
    head: int
    read: int
    turn: int
    notify: str
    quiet_until_ms: int
    kind: int
    """1: a direct conversation, 2: one with oneself."""
    mentions: int
    """Messages after `read` that mention the user."""


_LEVELS = {str(level): level for level in NotificationLevel}


class ReadStateReader:
    """Counts in memory what members have written themselves, and reads that memory from the database where needed."""

    def __init__(self, source: RowSource, senders: RecentSenders, fill_s: float = FILL_S) -> None:
        self._source = source
        self._senders = senders
        self._fill_s = fill_s
        self._filling = asyncio.Lock()
        self.estimates = 0
        """States that were told as if the user had sent no message, for want of time."""

    async def of_users(self, user_ids: Sequence[int]) -> dict[int, dict[int, ReadState]]:
        """The states of all rooms of these users: by user id, then by room id."""
        found: dict[int, dict[int, ReadState]] = {user_id: {} for user_id in user_ids}
        for start in range(0, len(user_ids), USERS_AT_ONCE):
            rows = await self._source.rows(_OF_USERS, (_json(user_ids[start : start + USERS_AT_ONCE]),))
            for reading, state in await self.counted([StoredReading._make(row) for row in rows]):
                found[reading.user_id][reading.room_id] = state
        return found

    async def of_members(self, members: Sequence[tuple[int, int]]) -> dict[tuple[int, int], ReadState]:
        """States by (room id, user id), of those who are members."""
        rows = await self._source.rows(_OF_MEMBERS, (_json(members),))
        counted = await self.counted(list(map(StoredReading._make, rows)))
        return {(reading.room_id, reading.user_id): state for reading, state in counted}

    async def counted(self, readings: Sequence[StoredReading]) -> list[tuple[StoredReading, ReadState]]:
        """The states of members, in this order but for rooms that must be read first."""
        states: list[tuple[StoredReading, ReadState]] = []
        cold: list[StoredReading] = []
        for number, reading in enumerate(readings, 1):
            count = self._unread(reading) if reading.head > reading.read else 0
            if count is None:
                cold.append(reading)
            else:
                states.append((reading, _state(reading, count)))
            if number % COUNTED_PER_TURN == 0:
                await asyncio.sleep(0)
        return states + await self._counted_after_reading(cold) if cold else states

    def _unread(self, reading: StoredReading) -> int | None:
        """Unread messages of a member; None if the senders of the room's messages must be read first."""
        room_id, user_id, head, read, *_, kind, _ = reading
        if kind == _NOTES:
            return 0
        if head - read > PER_ROOM:
            return MOST_TOLD
        own = self._senders.count(room_id, user_id, read, head)
        return None if own is None else unread(head - read, own)

    async def _counted_after_reading(self, cold: Sequence[StoredReading]) -> list[tuple[StoredReading, ReadState]]:
        """One at a time: a crowd that comes after a start needs the same rooms."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._fill_s
        try:
            async with asyncio.timeout(self._fill_s):
                await self._filling.acquire()
        except TimeoutError:
            return [self._known(reading, {}) for reading in cold]
        try:
            states: list[tuple[StoredReading, ReadState]] = []
            for part in _parts(cold):
                missing = [reading for reading in part if self._unread(reading) is None]
                runs = await self._fill(missing) if missing and loop.time() < end_s else {}
                states += [self._known(reading, runs) for reading in part]
            return states
        finally:
            self._filling.release()

    def _known(self, reading: StoredReading, runs: Mapping[int, SenderRun]) -> tuple[StoredReading, ReadState]:
        """The state by `runs`, or what is in memory; without either, as if the user had sent no message."""
        run = runs.get(reading.room_id)
        own = None if run is None else run.count(reading.user_id, reading.read, reading.head)
        count = self._unread(reading) if own is None else unread(reading.head - reading.read, own)
        if count is None:
            self.estimates += 1
            count = unread(reading.head - reading.read, 0)
        return reading, _state(reading, count)

    async def _fill(self, readings: Sequence[StoredReading]) -> dict[int, SenderRun]:
        """Read who sent the messages that these users have not read, by room id, and remember it."""
        spans: dict[int, tuple[int, int]] = {}
        for room_id, _, head, read, *_ in readings:
            after, through = spans.get(room_id, (read, head))
            spans[room_id] = (min(read, after), max(head, through))
        wanted = [(room_id, after, through) for room_id, (after, through) in spans.items()]
        runs = [SenderRun(after + 1, array("q", bytes(8 * (through - after)))) for _, after, through in wanted]
        for number, offset, user_id in await self._source.rows(_SENDERS, (_json(wanted),)):
            runs[number].user_ids[offset - runs[number].first] = user_id
        by_room = dict(zip(spans, runs, strict=True))
        for room_id, run in by_room.items():
            if run.user_ids.count(0) == 0:  # else the room is being deleted
                self._senders.add(room_id, run)
        return by_room


def _parts(readings: Sequence[StoredReading]) -> Iterator[list[StoredReading]]:
    """Split readings into parts of some rooms each, which have at most `FILLED_AT_ONCE` messages to read together."""
    by_room: dict[int, list[StoredReading]] = {}
    for reading in readings:
        by_room.setdefault(reading.room_id, []).append(reading)
    part: list[StoredReading] = []
    size = 0
    for of_room in by_room.values():
        behind = max(reading.head for reading in of_room) - min(reading.read for reading in of_room)
        if part and size + behind > FILLED_AT_ONCE:
            yield part
            part, size = [], 0
        part += of_room
        size += behind
    yield part


def _state(reading: StoredReading, count: int) -> ReadState:
    _, _, head, read, turn, level, quiet_until_ms, kind, mentions = reading
    if kind != _ROOM:
        mentions = count
    elif mentions > MOST_TOLD:
        mentions = MOST_TOLD
    until = text_rules.timestamp(quiet_until_ms) if quiet_until_ms else ""
    return ReadState(read, turn, count, mentions, head, _LEVELS[level], until)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
