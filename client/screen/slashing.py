"""What is done with a text that somebody sends: said, or carried out as a slash command. Pure."""

from chatterbox.wire import frames
from client.faces.slash import Call, Mistake, parse, room_word
from client.faces.slash import Say as Said
from client.inert import inert
from client.screen.model import Model
from client.screen.wants import Ask, Do, Enter, Open, Quit, Say


def submit(model: Model, text: str) -> bool:
    """Say `text`, or do the command that it is; False where nothing came of it, and the text should stay."""
    text = text.strip("\n")
    model.room.recall.add(text)
    model.room.draft = ""
    done = _do(model, text)
    if done:
        model.follow()
    return done


def _do(model: Model, text: str) -> bool:
    match parse(text):
        case Said(content):
            return _say(model, content)
        case Mistake(sentence):
            model.notice(inert(sentence))
            return False
        case Call() as call:
            _call(model, call)
    return True


def _say(model: Model, content: str) -> bool:
    if not model.room.member and model.status.live and model.joining != model.room.name:
        model.notice("You are not in this room: /join goes into one, Ctrl+K lists them.")
        return False
    model.room.line = None
    model.wants.append(Say(model.room.name, content))
    return True


def _call(model: Model, call: Call) -> None:
    """What the screen has a way of its own for; everything else is done as in every face."""
    match call.name, call.words:
        case "join", (room,):
            join(model, room)
        case "rooms", _:
            model.listing = True
            model.wants.append(Ask(frames.Rooms(id=0)))
        case "members", words:
            model.wants.append(Open("members", *map(room_word, words)))
        case ("sessions" | "help") as sheet, ():
            model.wants.append(Open(sheet))
        case "quit", _:
            model.wants.append(Quit())
        case _:
            model.wants.append(Do(call))


def join(model: Model, name: str) -> None:
    """Go into a room: at once into one's own, after the server's word into another."""
    name = room_word(name)
    if name in model.rooms and model.rooms[name].member:
        model.go_to(name)
        return
    model.joining = name
    model.wants.append(Enter(name))
