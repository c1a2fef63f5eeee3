"""What is done with a text that somebody sends: said, or carried out as a slash command. Pure."""

from typing import assert_never

from chatterbox.wire import frames
from client.core.events import CommandRequested, QuitRequested, RoomRequested, SendRequested
from client.faces.slash_parser import LocalCommand, LocalCommandName, UsageMistake, parse, room_word
from client.screen.model.chat_model import ChatModel
from client.screen.model.effects import EnterRoom, OpenSheet, QueueMessage, QuitApp, RequestCommand, RunSlashCommand
from client.text.sanitize import inert


def submit(model: ChatModel, text: str) -> bool:
    """Say `text`, or do the command that it is; False where nothing came of it, and the text should stay."""
    text = text.strip("\n")
    model.room.recall.add(text)
    model.room.draft = ""
    done = _do(model, text)
    if done:
        model.follow()
    return done


def _do(model: ChatModel, text: str) -> bool:
    match parse(text, model.room.name):
        case SendRequested(_, content):
            return _say(model, content)
        case UsageMistake(sentence):
            model.notice(inert(sentence))
            return False
        case RoomRequested(room):
            join(model, room)
        case CommandRequested(command):
            model.listing = model.listing or isinstance(command, frames.ListRooms)
            model.wants.append(RequestCommand(command))
        case QuitRequested():
            model.wants.append(QuitApp())
        case LocalCommand() as command:
            _run(model, command)
        case None:
            pass
        case _ as unknown:
            assert_never(unknown)
    return True


def _say(model: ChatModel, content: str) -> bool:
    if not model.room.member and model.status.live and model.joining != model.room.name:
        model.notice("You are not in this room: /join goes into one, Ctrl+K lists them.")
        return False
    model.room.line = None
    model.wants.append(QueueMessage(model.room.name, content))
    return True


def _run(model: ChatModel, command: LocalCommand) -> None:
    """Open the screen's own sheet for a command, where it has one."""
    match command:
        case LocalCommand(LocalCommandName.MEMBERS, room):
            model.wants.append(OpenSheet("members", room))
        case LocalCommand(LocalCommandName.SESSIONS | LocalCommandName.HELP as sheet, ""):
            model.wants.append(OpenSheet(sheet))
        case _:
            model.wants.append(RunSlashCommand(command))


def join(model: ChatModel, name: str) -> None:
    """Go into a room: at once into one's own, after the server's word into another."""
    name = room_word(name)
    if name in model.rooms and model.rooms[name].member:
        model.go_to(name)
        return
    model.joining = name
    model.wants.append(EnterRoom(name))
