"""How far the user has read one room, and how much is unread: what the server told, and what this device knows. Pure.

The server counts up to an offset; messages that come after it are counted here.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec

from chatterbox.wire.frames import Message
from chatterbox.wire.read_state import MOST_TOLD, ReadState
from client.core.direct_rooms import is_direct

EVERYBODY = "@room"
"""In the mentions of a message: every member of the room."""
LATER_LIMIT = 100
"""Messages after the server's count that are known one by one, per room; earlier ones are only counted."""


class ReadMark(NamedTuple):
    """Everything up to `offset` is read. Marks are compared as pairs and the greatest counts; marking a room as unread
    begins a turn.
    """

    turn: int = 0
    offset: int = 0


class LaterMessage(NamedTuple):
    """A message of another user that the server's count does not include."""

    offset: int
    is_mention: bool


@dataclass(frozen=True, slots=True)
class RoomReadState:
    """The user's read state of one room. Every function below returns a new value."""

    told: ReadState | None = None
    """What the server told last; None: nothing yet."""
    unsaid: ReadMark | None = None
    """A greater mark that this device knows, until the server confirms it."""
    later: tuple[LaterMessage, ...] = ()
    """Messages of others after `told.counted`."""

    @property
    def mark(self) -> ReadMark:
        """How far the room is read, as far as this device knows."""
        return self.unsaid or self.told_mark

    @property
    def told_mark(self) -> ReadMark:
        return ReadMark() if self.told is None else ReadMark(self.told.turn, self.told.read)

    @property
    def unread(self) -> int:
        """Messages of others after the mark, up to 999. Until the server confirms the mark, there may be fewer."""
        return min(MOST_TOLD, self._counted + sum(later.offset > self.mark.offset for later in self.later))

    @property
    def mentions(self) -> int:
        """Those of them that mention the user; in a direct conversation, all of them."""
        told = 0 if self.told is None else min(self.told.mentions, self._counted)
        later = sum(later.offset > self.mark.offset and later.is_mention for later in self.later)
        return min(MOST_TOLD, told + later)

    @property
    def _counted(self) -> int:
        """How many unread messages there are up to `told.counted`, at most."""
        if self.told is None:
            return 0
        mark = self.mark
        if mark == self.told_mark:
            return self.told.unread
        if mark.offset < self.told.read:
            return self.told.unread + self.told.read - mark.offset
        return min(self.told.unread, max(0, self.told.counted - mark.offset))


def take_told(state: RoomReadState, told: ReadState) -> RoomReadState:
    """Take what the server told while connected: a mark or a count that is older than the last one is passed over."""
    if state.told is not None:
        mark, counted = ReadMark(told.turn, told.read), told.counted
        if (mark, counted) < (state.told_mark, state.told.counted):
            told = msgspec.structs.replace(state.told, notify=told.notify, until=told.until)
    return _replace_told(state, told)


def take_welcome(state: RoomReadState, told: ReadState) -> RoomReadState:
    """Take what the server tells at the beginning of a connection, whatever it told before."""
    return _replace_told(state, told)


def _replace_told(state: RoomReadState, told: ReadState) -> RoomReadState:
    mark = ReadMark(told.turn, told.read)
    unsaid = state.unsaid if state.unsaid is not None and state.unsaid > mark else None
    return RoomReadState(told, unsaid, tuple(later for later in state.later if later.offset > told.counted))


def read(state: RoomReadState, mark: ReadMark) -> RoomReadState:
    """Note that this device read up to a mark, if that is new."""
    return replace(state, unsaid=mark) if mark > state.mark else state


def confirm(state: RoomReadState, sent: ReadMark) -> RoomReadState:
    """The server took a mark, perhaps only up to the room's last message."""
    return replace(state, unsaid=None) if state.unsaid is not None and state.unsaid <= sent else state


def take_message(state: RoomReadState, message: Message, me: str) -> RoomReadState:
    """Count a message that the server's count does not include."""
    offset = message.at.offset
    last = state.later[-1].offset if state.later else 0
    counted = 0 if state.told is None else state.told.counted
    if message.username == me or offset <= max(counted, last):
        return state
    later = (*state.later, LaterMessage(offset, mentions_user(message, me)))
    if len(later) <= LATER_LIMIT:
        return replace(state, later=later)
    told = None if state.told is None else _counting(state.told, later[0])
    return replace(state, told=told, later=later[1:])


def _counting(told: ReadState, later: LaterMessage) -> ReadState:
    """The server's count with one message more."""
    return msgspec.structs.replace(
        told,
        unread=min(MOST_TOLD, told.unread + 1),
        mentions=min(MOST_TOLD, told.mentions + later.is_mention),
        counted=later.offset,
    )


def take_change(state: RoomReadState, message: Message, me: str) -> RoomReadState:
    """Count a mention that an edit added, or no longer one that was removed."""
    if not any(later.offset == message.at.offset for later in state.later):
        return state
    changed = LaterMessage(message.at.offset, mentions_user(message, me))
    return replace(state, later=tuple(changed if later.offset == changed.offset else later for later in state.later))


def mentions_user(message: Message, me: str) -> bool:
    """Whether a message counts as a mention of the user, as the server counts them."""
    if message.deleted:
        return False
    return is_direct(message.room) or me in message.mentions or EVERYBODY in message.mentions
