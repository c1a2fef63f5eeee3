"""What the screen remembers from one run to the next: where one was, what is read, what is half written. Pure."""

import msgspec

from chatterbox.wire.frames import Message
from client.screen.model.chat_model import ChatModel
from client.screen.model.input_history import InputHistory
from client.screen.model.room_model import RoomModel

MESSAGES = 60
"""Messages kept of each of the rooms that were busy last, so that there is something to read without a connection."""
ROOMS = 20
WRITTEN = 100


class SavedRoom(msgspec.Struct, omit_defaults=True):
    """One room."""

    member: bool = True
    private: bool = False
    topic: str = ""
    epoch: str = ""
    read: int = 0
    draft: str = ""
    written: list[str] = []
    messages: list[Message] = []


class SavedState(msgspec.Struct, omit_defaults=True):
    """Everything. What an older or newer client does not know, it passes over."""

    room: str = ""
    username: str = ""
    theme: str = ""
    rooms: dict[str, SavedRoom] = {}


def remember(model: ChatModel, theme: str = "") -> bytes:
    """The bytes to keep."""
    recent = sorted(model.rooms.values(), key=lambda room: max(room.heard.values(), default=""), reverse=True)
    with_messages = {room.name for room in recent[:ROOMS]}
    worth = [room for room in model.rooms.values() if room.member or room.draft]
    rooms = {room.name: _kept(room, with_messages=room.name in with_messages) for room in worth}
    here = model.room.name if model.room.member else ""
    return msgspec.json.encode(SavedState(here, model.status.username, theme, rooms))


def _kept(room: RoomModel, *, with_messages: bool) -> SavedRoom:
    unfinished = room.recall.unfinished
    messages = [room.log[offset] for offset in room.log.offsets[-MESSAGES:]] if with_messages else []
    draft = room.draft if unfinished is None else unfinished
    written = room.recall.written[-WRITTEN:]
    return SavedRoom(room.member, room.private, room.topic, room.log.epoch, room.marker.read, draft, written, messages)


def last_room(data: bytes) -> str:
    """The room that was looked at last; empty if that is not known."""
    try:
        return msgspec.json.decode(data, type=SavedState).room
    except msgspec.MsgspecError:
        return ""


def recall(model: ChatModel, data: bytes) -> str:
    """Take up what was kept; what can't be read is passed over. Returns the theme."""
    try:
        kept = msgspec.json.decode(data, type=SavedState)
    except msgspec.MsgspecError:
        return ""
    model.status.username = kept.username
    for name, room in kept.rooms.items():
        _take_up(model.place(name), room, kept.username)
    return kept.theme


def _take_up(room: RoomModel, kept: SavedRoom, me: str) -> None:
    room.member, room.private, room.topic = kept.member, kept.private, kept.topic
    room.draft, room.recall = kept.draft, InputHistory(kept.written)
    room.log.add(kept.messages)
    room.hear(kept.messages)
    room.log.epoch, room.marker.read = kept.epoch, kept.read
    room.count(me)
    if room.unread:
        room.draw_line(me)
