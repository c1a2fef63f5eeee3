"""Submits the input: sends it as a message, or carries out the slash command in it. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from chatterbox.wire import frames
from client.core.events import CommandRequested, KeysAccepted, QuitRequested, RoomRequested, SendRequested
from client.faces.slash.slash_parser import LocalCommand, UsageMistake, parse, room_word
from client.screen.model.chat_model import ChatModel
from client.screen.model.messages.compose_mode import Editing, Replying
from client.screen.model.messages.message_actions import list_requested, send_edit
from client.text.room_text import shown_room
from client.text.sanitize import inert


def submit(model: ChatModel, text: str) -> bool:
    """Submit `text`; False if nothing was done, and the text should stay in the input."""
    text = text.strip("\n")
    if isinstance(model.room.input.mode, Editing):
        return send_edit(model, model.room.input.mode, text)
    model.room.input.history.add(text)
    model.room.input.set_draft("")
    done = _submit(model, text)
    if done:
        model.follow()
    return done


def _submit(model: ChatModel, text: str) -> bool:
    match parse(text, model.room.name):
        case SendRequested(room, content) as message if room != model.room.name:
            model.request(message)
            model.notice(f"To {shown_room(room)}: {inert(content)}")
        case SendRequested() as message:
            return _send(model, _as_reply(model, message))
        case UsageMistake(sentence):
            model.notice(inert(sentence))
            return False
        case RoomRequested(room):
            join(model, room)
        case CommandRequested(frames.ListRooms()):
            model.room_lists.list_rooms()
        case CommandRequested(frames.ReadHistory() as request):
            list_requested(model, request)
        case (CommandRequested() | QuitRequested() | LocalCommand()) as request:
            model.request(request)
        case None:
            model.request(KeysAccepted(model.room.name))  # Enter once more: it does nothing unless a message waits
        case unknown:
            assert_never(unknown)
    return True


def _as_reply(model: ChatModel, message: SendRequested) -> SendRequested:
    """The message as the answer to the one that the input answers, or to the one that began the open thread."""
    mode = model.room.input.mode
    if isinstance(mode, Replying):
        return replace(message, reply_to=mode.offset)
    return replace(message, reply_to=model.thread.root) if model.thread and not message.reply_to else message


def _send(model: ChatModel, message: SendRequested) -> bool:
    if not model.room.member and model.status.live and model.joining != model.room.name:
        model.notice("You are not in this room. /join joins it, Ctrl+K lists all rooms.")
        return False
    model.room.progress.hide_unread_line()
    model.room.progress.stop_keeping_unread()
    model.room.input.leave_mode()
    model.request(message)
    return True


def send_parts(model: ChatModel, parts: Sequence[str]) -> bool:
    """Send several messages to the open room, as they are; False if nothing was sent."""
    done = all(_send(model, _as_reply(model, SendRequested(model.room.name, part))) for part in parts)
    if done:
        model.room.input.set_draft("")
        model.follow()
    return done


def join(model: ChatModel, name: str) -> None:
    """Open a room: at once if the user is a member, else after the server's reply to the join."""
    name = room_word(name)
    if name in model.rooms and model.rooms[name].member:
        model.open_room(name)
    else:
        model.join(name)
