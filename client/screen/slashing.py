"""What is done with a text that somebody sends: said, or carried out as a slash command. Pure."""

from chatterbox.wire import frames
from client import words
from client.faces.slash import Call, Mistake, parse
from client.faces.slash import Say as Said
from client.inert import inert
from client.screen.model import Model
from client.screen.wants import Ask, Enter, Help, Quit, Say


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
        case Call(name, arguments):
            _call(model, name, arguments)
    return True


def _say(model: Model, content: str) -> bool:
    if not model.room.member and model.status.live and model.joining != model.room.name:
        model.notice("You are not in this room: /join goes into one, Ctrl+K lists them.")
        return False
    model.room.line = None
    model.wants.append(Say(model.room.name, content))
    return True


def _call(model: Model, name: str, arguments: tuple[str, ...]) -> None:
    match name, arguments:
        case "join", (room,):
            join(model, room)
        case "leave", rest:
            room = rest[0].removeprefix("#") if rest else model.room.name
            model.wants.append(Ask(frames.Leave(id=0, room=room)))
        case "rooms", _:
            model.listing = True
            model.wants.append(Ask(frames.Rooms(id=0)))
        case "create", (room, *rest):
            private = rest == ["private"]
            model.wants.append(Ask(frames.Create(id=0, room=room.removeprefix("#"), private=private)))
        case "invite", (username,):
            whom = username.removeprefix("@")
            model.wants.append(Ask(frames.Invite(id=0, room=model.room.name, username=whom)))
        case _:
            _here(model, name)


def _here(model: Model, name: str) -> None:
    """Commands that the client answers by itself."""
    match name:
        case "who":
            heard = [f"{inert(who)} ({words.clock(model.room.heard[who])})" for who in model.people()]
            model.notice(f"Heard here: {', '.join(heard)}." if heard else "Nobody has been heard here yet.")
        case "status":
            status = model.status
            connection = "connected" if status.live else status.state
            model.notice(
                f"You are {inert(status.username) or 'not connected yet'}, at {inert(model.server)}, {connection}. "
                f"Not sent yet: {status.unsent}."
            )
        case "help":
            model.wants.append(Help())
        case "quit":
            model.wants.append(Quit())
        case _:
            model.notice(f"/{inert(name)} is not done here; the plain face has it: chatterbox chat --plain")


def join(model: Model, name: str) -> None:
    """Go into a room: at once into one's own, after the server's word into another."""
    name = name.removeprefix("#").casefold()
    if name in model.rooms and model.rooms[name].member:
        model.go_to(name)
        return
    model.joining = name
    model.wants.append(Enter(name))
