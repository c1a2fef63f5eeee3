"""Submits the input: sends it as a message, or carries out the slash command in it. Pure."""

from collections.abc import Sequence
from typing import assert_never

from chatterbox.wire import frames
from client.core.events import CommandRequested, QuitRequested, RoomRequested, SendRequested
from client.faces.slash_parser import LocalCommand, UsageMistake, parse, room_word
from client.screen.model.chat_model import ChatModel
from client.text.sanitize import inert


def submit(model: ChatModel, text: str) -> bool:
    """Submit `text`; False if nothing was done, and the text should stay in the input."""
    text = text.strip("\n")
    model.room.history.add(text)
    model.room.set_draft("")
    done = _submit(model, text)
    if done:
        model.follow()
    return done


def _submit(model: ChatModel, text: str) -> bool:
    match parse(text, model.room.name):
        case SendRequested() as message:
            return _send(model, message)
        case UsageMistake(sentence):
            model.notice(inert(sentence))
            return False
        case RoomRequested(room):
            join(model, room)
        case CommandRequested(frames.ListRooms()):
            model.list_rooms()
        case (CommandRequested() | QuitRequested() | LocalCommand()) as request:
            model.request(request)
        case None:
            pass
        case unknown:
            assert_never(unknown)
    return True


def _send(model: ChatModel, message: SendRequested) -> bool:
    if not model.room.member and model.status.live and model.joining != model.room.name:
        model.notice("You are not in this room. /join joins it, Ctrl+K lists all rooms.")
        return False
    model.room.hide_unread_line()
    model.request(message)
    return True


def send_parts(model: ChatModel, parts: Sequence[str]) -> bool:
    """Send several messages to the open room, as they are; False if nothing was sent."""
    done = all(_send(model, SendRequested(model.room.name, part)) for part in parts)
    if done:
        model.room.set_draft("")
        model.follow()
    return done


def join(model: ChatModel, name: str) -> None:
    """Open a room: at once if the user is a member, else after the server's reply to the join."""
    name = room_word(name)
    if name in model.rooms and model.rooms[name].member:
        model.open_room(name)
    else:
        model.join(name)
