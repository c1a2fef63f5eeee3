"""What users of the simulated history have read: positions, mentions, and history's memory of senders. Pure.

Positions are compared, own messages counted and mentions planned by history's own rules.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chatterbox.wire.broker_events import OwnReadState
from chatterbox.wire.history_api import ReadPosition
from chatterbox.wire.read_state import MOST_TOLD, ReadState
from services.history.core import read_positions
from services.history.core.append_plan import MessageRow
from services.history.core.message_mentions import MessageMentions
from services.history.core.read_positions import ReadPoint
from services.history.core.recent_senders import ROOM_WEIGHT, RecentSenders, SenderRun
from services.history.core.stored_message import mentions
from tests.simulation.stored_room import StoredRoom

SENDERS_PER_ROOM = 4
SENDERS_IN_ALL = 2 * ROOM_WEIGHT + 12
"""So few that rooms are often forgotten, and read again."""


def _no_senders() -> RecentSenders:
    return RecentSenders(SENDERS_PER_ROOM, SENDERS_IN_ALL)


@dataclass(slots=True)
class StoredReads:
    """The tables of positions and mentions, and what history remembers while it runs."""

    points: dict[tuple[int, int], ReadPoint] = field(default_factory=dict)
    """By user id and room id."""
    named: set[tuple[int, int, int]] = field(default_factory=set)
    """User id, room id and offset of mentions."""
    calls: dict[tuple[int, int], int] = field(default_factory=dict)
    """User ids of the senders of messages to a whole room, by room id and offset."""
    senders: RecentSenders = field(default_factory=_no_senders)
    left: set[tuple[int, int]] = field(default_factory=set)
    """User id and room id of those who left a room at some time: mentions from before don't count any more."""

    def restart(self) -> None:
        """The process that has the memory ends."""
        self.senders = _no_senders()

    # Memberships

    def begin(self, user_id: int, room: StoredRoom) -> None:
        """A user becomes a member: everything until now is read."""
        self.points[user_id, room.room_id] = ReadPoint(0, room.head)

    def end(self, user_id: int, room: StoredRoom) -> None:
        """A user is no member any more."""
        del self.points[user_id, room.room_id]
        self.left.add((user_id, room.room_id))
        self.named = {row for row in self.named if row[:2] != (user_id, room.room_id)}

    # Messages

    def note_sent(self, room_id: int, offset: int, user_id: int) -> None:
        """A message was committed."""
        self.senders.follow([MessageRow(0, room_id, offset, user_id, "", "", 0, None)])

    def mention(self, message: MessageMentions, user_ids: Mapping[str, int]) -> None:
        """Store whom a message mentions now; `user_ids` of the room by username."""
        place = message.room_id, message.offset
        self.named = {row for row in self.named if row[1:] != place}
        self.calls.pop(place, None)
        if message.is_call:
            self.calls[place] = message.user_id
        else:
            self.named |= {(user_id, *place) for user_id in message.named(user_ids)}

    # Positions

    def store(self, positions: Sequence[ReadPosition], rooms: Mapping[int, StoredRoom]) -> list[OwnReadState]:
        """Store the greatest positions; returns the states of those that have grown."""
        reported: dict[tuple[int, int], list[ReadPosition]] = {}
        for position in positions:
            reported.setdefault((position.user_id, position.room_id), []).append(position)
        grown: list[OwnReadState] = []
        for place, of_place in reported.items():
            stored, room = self.points.get(place), rooms.get(place[1])
            if stored is not None and room is not None:
                self.points[place] = read_positions.advanced(stored, of_place, room.head)
                if self.points[place] != stored:
                    grown.append(OwnReadState(*place, self.state(place[0], room)))
        return grown

    def state(self, user_id: int, room: StoredRoom) -> ReadState:
        """The state of a room for a member."""
        turn, offset = self.points[user_id, room.room_id]
        count = self._unread(user_id, room, offset)
        return ReadState(offset, turn, count, min(MOST_TOLD, self._mentions(user_id, room, offset)), room.head)

    def _unread(self, user_id: int, room: StoredRoom, read: int) -> int:
        own = self.senders.count(room.room_id, user_id, read, room.head)
        if own is None:
            run = SenderRun(read + 1, array("q", [message.user_id for message in room.messages[read:]]))
            own = run.count(user_id, read, room.head) or 0
            self.senders.add(room.room_id, run)
        return read_positions.unread(room.head - read, own)

    def _mentions(self, user_id: int, room: StoredRoom, read: int) -> int:
        named = sum(row[:2] == (user_id, room.room_id) and row[2] > read for row in self.named)
        called = sum(
            room_id == room.room_id and offset > read and sender != user_id
            for (room_id, offset), sender in self.calls.items()
        )
        return named + called


def recount(user_id: int, room: StoredRoom, read: int) -> tuple[int, int]:
    """Unread messages and mentions after an offset, counted one by one."""
    others = [message for message in room.messages[read:] if message.user_id != user_id]
    me = {room.members[user_id], "@room"}
    return len(others), sum(not me.isdisjoint(mentions(message.extra)) for message in others)


def rows_of(room: StoredRoom) -> tuple[set[tuple[int, int, int]], dict[tuple[int, int], int]]:
    """The rows of mentions and calls that a room's messages must have, for its members."""
    user_ids = {username: user_id for user_id, username in room.members.items()}
    found = StoredReads()
    for message in room.messages:
        found.mention(MessageMentions(room.room_id, message.offset, message.user_id, mentions(message.extra)), user_ids)
    return found.named, found.calls


def states_of(
    reads: StoredReads, user_ids: Iterable[int], rooms: Iterable[StoredRoom]
) -> dict[int, dict[int, ReadState]]:
    """By user id, their state of each room by room id."""
    known = list(rooms)
    return {
        user_id: {room.room_id: reads.state(user_id, room) for room in known if user_id in room.members}
        for user_id in user_ids
    }
