"""Names of direct conversations in the client: `@bob` for the conversation with bob, `@ada` for one's own notes. Pure.

On the wire it is `@ada+bob` to both. The names are translated where frames enter and leave the core, so that the rest
of the client, its files included, knows only the short one: it is what people type and read.
"""

from functools import lru_cache
from typing import TypeVar

import msgspec

from chatterbox.wire import direct_names, frames, text_rules

MARK = "@"
"""How the name of a direct conversation begins."""

Frame = TypeVar("Frame", bound=msgspec.Struct)


def is_direct(room: str) -> bool:
    """Whether `room` is a direct conversation."""
    return room.startswith(MARK)


def room_with(username: str) -> str:
    """The client's name of the direct conversation with a user.

    >>> room_with("Bob"), room_with("@bob")
    ('@bob', '@bob')
    """
    return MARK + text_rules.folded(username.removeprefix(MARK))


def peer_of(room: str) -> str:
    """The user of a direct conversation, case-folded.

    >>> peer_of("@bob")
    'bob'
    """
    return room.removeprefix(MARK)


@lru_cache(maxsize=2048)
def local_name(room: str, me: str) -> str:
    """The client's name for a room that the server names; a name that is not of `me` stays as it is.

    >>> local_name("@ada+Bob", "ada"), local_name("@ada+ada", "ada"), local_name("@eve+bob", "ada")
    ('@bob', '@ada', '@eve+bob')
    """
    peer = direct_names.peer(room, me)
    return room_with(peer) if peer else room


def wire_name(room: str, me: str) -> str:
    """The server's name for a room.

    >>> wire_name("@bob", "ada"), wire_name("general", "ada")
    ('@ada+bob', 'general')
    """
    return direct_names.direct_name(me, peer_of(room)) if is_direct(room) and "+" not in room else room


def from_server(frame: frames.ServerFrame, me: str) -> frames.ServerFrame:
    """A frame with the client's names; `me` is this user's name."""
    match frame:
        case frames.Welcome(username=username, rooms=rooms):
            return msgspec.structs.replace(frame, rooms=[_local(room, username) for room in rooms])
        case frames.RoomList(rooms=listed):
            return msgspec.structs.replace(frame, rooms=[_local(room, me) for room in listed])
        case frames.Joined(room=room, messages=messages) | frames.Page(room=room, messages=messages):
            if is_direct(room):
                frame = msgspec.structs.replace(frame, messages=[_local(message, me) for message in messages])
        case frames.ChangesPage(room=room, changes=changes):
            if is_direct(room):
                frame = msgspec.structs.replace(frame, changes=[_local_change(change, me) for change in changes])
        case frames.Change():
            return _local_change(frame, me)
        case _:
            pass  # other frames name a room in one place, or none
    return _local(frame, me)


def _local_change(change: frames.Change, me: str) -> frames.Change:
    if is_direct(change.room) and change.message is not None:
        change = msgspec.structs.replace(change, message=_local(change.message, me))
    return _local(change, me)


def _local(frame: Frame, me: str) -> Frame:
    room = getattr(frame, "room", "")
    return msgspec.structs.replace(frame, room=local_name(room, me)) if is_direct(room) else frame


def to_server(command: frames.Command, me: str) -> frames.Command:
    """A command with the server's names."""
    room = getattr(command, "room", "")
    return msgspec.structs.replace(command, room=wire_name(room, me)) if is_direct(room) else command
