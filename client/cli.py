"""The command line: what can be typed, and which command it means."""

import argparse
import asyncio
from collections.abc import Mapping
from typing import Any

from chatterbox.wire import frames, position
from chatterbox.wire.limits import DEFAULT_ROOM
from client import account
from client.failures import Exit
from client.place import Place

_EXITS = """\
exit codes:
  0    done
  1    the server refused it (the sentence says why)
  2    typed in a way that it can't be meant
  3    not logged in, or the session has ended
  4    the server can't be reached, or `doctor` found what is in the way
  70   a mistake in this program
  130  interrupted by Ctrl-C
"""
_ABOUT = """\
Talk in the rooms of a Chatterbox server.

  chatterbox register alice          make an account (the password is asked for)
  chatterbox                         talk in #general, on the full screen; F1 there lists what can be done
  chatterbox chat --plain            the same in lines
  echo "deployed" | chatterbox send ops -
  chatterbox tail ops --json | jq -r .content
  chatterbox doctor                  what is in the way of all that, if something is
"""
_FILES = """\
files and environment:
  $XDG_STATE_HOME/chatterbox (else ~/.local/state/chatterbox) keeps the session and the outbox, for your eyes only.
  CHATTERBOX_SERVER  the server meant without --server (else the one of the last login, else http://127.0.0.1:8000)
  NO_COLOR           no colours;  SSL_CERT_FILE  certificates to trust;  CHATTERBOX_DEBUG=1  say more about mistakes
"""


def parser() -> argparse.ArgumentParser:
    """What can be typed."""
    top = argparse.ArgumentParser(prog="chatterbox", description=_ABOUT, epilog=f"{_EXITS}\n{_FILES}", **_common())
    commands = Commands(top.add_subparsers(dest="command", metavar="COMMAND"))
    _accounts(commands)
    _rooms(commands)
    _messages(commands)
    _doctor(commands)
    return top


class Commands:
    """Adds commands that all look alike in their help."""

    def __init__(self, actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
        self._actions = actions

    def add(self, name: str, about: str, *examples: str) -> argparse.ArgumentParser:
        epilog = "\n".join(["examples:", *(f"  chatterbox {example}" for example in examples), "", _EXITS])
        description = f"{about[0].upper()}{about[1:]}."
        return self._actions.add_parser(name, help=about, description=description, epilog=epilog, **_common())


def _common() -> dict[str, Any]:
    server = argparse.ArgumentParser(add_help=False)
    about = "the server, for example https://chat.example.org"
    server.add_argument("--server", metavar="URL", default=argparse.SUPPRESS, help=about)
    return {"formatter_class": argparse.RawDescriptionHelpFormatter, "parents": [server]}


def _accounts(commands: Commands) -> None:
    stdin = "without a terminal, its password is the first line of the input"
    add = commands.add("register", "make an account and log in", "register alice")
    add.add_argument("username", metavar="USERNAME", nargs="?", help=f"3-32 letters, digits or '_.-'; {stdin}")
    add = commands.add(
        "login", "log in; the session is kept until it ends", "login alice", "login alice < password-file"
    )
    add.add_argument("username", metavar="USERNAME", nargs="?", help=f"who you are; {stdin}")
    commands.add("logout", "end the session, here and on the server", "logout")
    add = commands.add(
        "sessions", "list where you are logged in, or end one session", "sessions", "sessions --end 5b1c"
    )
    add.add_argument("--end", metavar="ID", help="end this session")


def _rooms(commands: Commands) -> None:
    commands.add("rooms", "list the rooms that you are in or could join", "rooms")
    add = commands.add("create", "make a room", "create ops", "create --private board")
    add.add_argument("room", metavar="ROOM", help="1-40 letters, digits or '_.-'")
    add.add_argument("--private", action="store_true", help="only for those who are invited")
    add = commands.add("join", "become a member of a public room", "join ops")
    add.add_argument("room", metavar="ROOM")
    add = commands.add("leave", "stop being a member of a room", "leave ops")
    add.add_argument("room", metavar="ROOM")
    add = commands.add("invite", "make somebody a member of a room that you are in", "invite ops bob")
    add.add_argument("room", metavar="ROOM")
    add.add_argument("username", metavar="USERNAME")


def _messages(commands: Commands) -> None:
    add = commands.add("chat", "talk: what you type is sent, what is said is shown", "chat", "chat ops")
    add.add_argument("room", metavar="ROOM", nargs="?", default=DEFAULT_ROOM, help="the room to begin in (general)")
    add.add_argument("--plain", action="store_true", help="lines only, nothing is redrawn (so it is on TERM=dumb)")
    _send(commands)
    _tail(commands)


def _send(commands: Commands) -> None:
    about = "send a message, or every line of the input; done when all of it is stored"
    add = commands.add("send", about, "send ops 'deployed 1.4'", "send ops - < lines.txt")
    add.add_argument("room", metavar="ROOM")
    add.add_argument("content", metavar="TEXT", nargs="?", help="the message; '-' or nothing: the lines of the input")
    wait = "how long to wait for the server (30); what it did not take by then stays in the outbox"
    add.add_argument("--timeout", metavar="SECONDS", type=_seconds, default=30.0, help=wait)


def _tail(commands: Commands) -> None:
    about = "print the messages of a room as they come, each once and in order, over lost connections too"
    again = 'tail ops --json --since "$(tail -n1 seen.jsonl | jq -r \'.at | "\\(.epoch):\\(.offset)"\')"'
    add = commands.add("tail", about, "tail ops", "tail ops --json --count 1", again)
    add.add_argument("room", metavar="ROOM")
    add.add_argument("--json", action="store_true", help="one JSON object for each message, on one line")
    add.add_argument("--since", metavar="EPOCH:OFFSET", type=_position, help="begin after this position")
    add.add_argument(
        "--recent", metavar="N", type=_count, default=10, help="without --since: begin N messages back (10)"
    )
    add.add_argument("--count", metavar="N", type=_some, help="end after N messages")


def _doctor(commands: Commands) -> None:
    about = "check that a server can be used through whatever is between, and say what to change when not"
    add = commands.add("doctor", about, "doctor", "doctor https://chat.example.org --idle 45", "doctor --json | jq .ok")
    add.add_argument("server_url", metavar="URL", nargs="?", help="the server; with a login there, more is checked")
    add.add_argument("--json", action="store_true", help="one JSON object")
    idle = "how long to say nothing, to see whether that is cut (3); more than twice the server's ping tells most"
    add.add_argument("--idle", metavar="SECONDS", type=_seconds, default=3.0, help=idle)


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Exit:
    """Do what was typed; raises `Failure`."""
    if arguments.command == "doctor":
        return asyncio.run(_examined(arguments, environ))
    place = Place.find(getattr(arguments, "server", None), environ)
    match arguments.command:
        case None:
            return asyncio.run(_opened(place))
        case "register":
            return account.register(place, arguments.username)
        case "login":
            return account.login(place, arguments.username)
        case "logout":
            return account.logout(place)
        case "sessions":
            return account.sessions(place, arguments.end)
    return asyncio.run(_connected(place, arguments))


async def _examined(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Exit:
    from client.doctor.report import doctor

    named = arguments.server_url or getattr(arguments, "server", None)
    return await doctor(named, environ, arguments.idle, as_json=arguments.json)


async def _opened(place: Place) -> Exit:
    """No command: the screen in the room where one was last, or the lines."""
    from client import commands

    if not commands.on_terminal():
        parser().error("what to do is missing; on a terminal it would be: chat")
    return await commands.chat(place, None)


async def _connected(place: Place, arguments: argparse.Namespace) -> Exit:
    """The commands that need a connection; what they stand on is imported only here, so that the others are quick."""
    from client import commands

    if arguments.command == "rooms":
        return await commands.rooms(place)
    room = commands.room_name(arguments.room)
    match arguments.command:
        case "chat":
            return await commands.chat(place, room, plain=arguments.plain)
        case "send":
            return await commands.send(place, room, arguments.content, arguments.timeout)
        case "tail":
            begin = {"since": arguments.since, "recent": arguments.recent, "count": arguments.count}
            return await commands.tail(place, room, as_json=arguments.json, **begin)
    return await commands.ask(place, _command(arguments, room))


def _command(arguments: argparse.Namespace, room: str) -> frames.Command:
    match arguments.command:
        case "create":
            return frames.Create(id=0, room=room, private=arguments.private)
        case "join":
            return frames.Join(id=0, room=room)
        case "leave":
            return frames.Leave(id=0, room=room)
    return frames.Invite(id=0, room=room, username=arguments.username)


def _position(text: str) -> position.Position:
    try:
        return position.parse(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of messages")
    return int(text)


def _some(text: str) -> int:
    return _count(text) or _count("none")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds
