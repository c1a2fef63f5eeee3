"""Screen state kept between runs: open room, order of the rooms, read markers, drafts, recent messages. Pure."""

import msgspec

from client.screen.model.chat_model import ChatModel
from client.screen.model.rooms.room_model import RoomModel
from client.screen.model.rooms.saved_room import SavedRoom

ROOMS_WITH_MESSAGES = 20
"""Most recently active rooms of which messages are saved."""


class SavedState(msgspec.Struct, omit_defaults=True):
    """The whole file. Unknown fields, of an older or newer client, are ignored."""

    room: str = ""
    username: str = ""
    theme: str = ""
    rooms: dict[str, SavedRoom] = {}
    emoji: list[str] = []
    """Emoji of the last reactions."""
    order: list[str] = []
    pinned: list[str] = []


def encode_state(model: ChatModel, theme: str = "") -> bytes:
    """Return the bytes to save. Of encrypted rooms, no text is among them."""
    by_activity = sorted(model.rooms.values(), key=lambda room: max(room.active.values(), default=""), reverse=True)
    with_messages = {room.name for room in by_activity[:ROOMS_WITH_MESSAGES]}
    saved = [room for room in model.rooms.values() if room.member or room.input.draft]
    rooms = {room.name: _saved(room, room.name in with_messages, model) for room in saved}
    open_room = model.room.name if model.room.member else ""
    order = model.directory.order
    pinned = sorted(order.pinned)
    saved_state = SavedState(open_room, model.status.username, theme, rooms, model.recent_emoji, order.names, pinned)
    return msgspec.json.encode(saved_state)


def _saved(room: RoomModel, with_messages: bool, model: ChatModel) -> SavedRoom:
    return room.save(with_messages=with_messages, with_text=not model.is_encrypted(room.name))


def last_room(data: bytes) -> str:
    """Return the room that was open last; empty if that is not known."""
    try:
        return msgspec.json.decode(data, type=SavedState).room
    except msgspec.MsgspecError:
        return ""


def restore_state(model: ChatModel, data: bytes) -> str:
    """Restore what was saved and return the theme; data that can't be decoded is ignored."""
    try:
        saved = msgspec.json.decode(data, type=SavedState)
    except msgspec.MsgspecError:
        return ""
    model.status.log_in(saved.username)
    model.directory.order.restore(saved.order, saved.pinned)
    for emoji in reversed(saved.emoji):
        model.use_emoji(emoji)
    for name, room in sorted(saved.rooms.items()):
        model.directory.restore(name, room, saved.username)
    return saved.theme
