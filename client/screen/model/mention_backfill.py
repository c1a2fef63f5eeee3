"""Who is named in what was unread before the start: a page of each room is looked through, in turn. Pure."""

from chatterbox.wire import frames
from client.screen.model.chat_model import ChatModel
from client.screen.model.effects import RequestCommand

COUNTED = 200
"""Unread messages of each room, the newest, that are looked through: a page."""


def go_on(model: ChatModel) -> None:
    """Ask for the newest unread messages of the next room; also again, after a connection without an answer."""
    while model.uncounted:
        room = model.rooms[model.uncounted[0]]
        if room.member and room.unread and room is not model.room:
            room.asked.add(("before", 0))
            model.wants.append(
                RequestCommand(frames.ReadHistory(id=0, room=room.name, limit=min(room.unread, COUNTED)))
            )
            return
        del model.uncounted[0]


def answered(model: ChatModel, asked: frames.ReadHistory) -> None:
    """A page has come, or will not: if it was the one for this, on to the next room."""
    if model.uncounted[:1] == [asked.room] and asked.before is None and asked.after is None:
        del model.uncounted[0]
        go_on(model)
