"""What is done with a text that somebody sends: said, or carried out as a slash command. Pure."""

from chatterbox.wire import frames
from client.faces.slash_parser import TypedCommand, TypedMistake, parse, room_word
from client.faces.slash_parser import TypedMessage as Said
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
    match parse(text):
        case Said(content):
            return _say(model, content)
        case TypedMistake(sentence):
            model.notice(inert(sentence))
            return False
        case TypedCommand() as call:
            _call(model, call)
    return True


def _say(model: ChatModel, content: str) -> bool:
    if not model.room.member and model.status.live and model.joining != model.room.name:
        model.notice("You are not in this room: /join goes into one, Ctrl+K lists them.")
        return False
    model.room.line = None
    model.wants.append(QueueMessage(model.room.name, content))
    return True


def _call(model: ChatModel, call: TypedCommand) -> None:
    """What the screen has a way of its own for; everything else is done as in every face."""
    match call.name, call.words:
        case "join", (room,):
            join(model, room)
        case "rooms", _:
            model.listing = True
            model.wants.append(RequestCommand(frames.ListRooms(id=0)))
        case "members", words:
            model.wants.append(OpenSheet("members", *map(room_word, words)))
        case ("sessions" | "help") as sheet, ():
            model.wants.append(OpenSheet(sheet))
        case "quit", _:
            model.wants.append(QuitApp())
        case _:
            model.wants.append(RunSlashCommand(call))


def join(model: ChatModel, name: str) -> None:
    """Go into a room: at once into one's own, after the server's word into another."""
    name = room_word(name)
    if name in model.rooms and model.rooms[name].member:
        model.go_to(name)
        return
    model.joining = name
    model.wants.append(EnterRoom(name))
