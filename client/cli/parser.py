"""The command line's grammar: what can be typed. Completion, the manual page and the docs are made from it."""

import argparse
import re
from typing import Any, NoReturn

from chatterbox import __version__
from client.cli import values
from client.cli.about import ABOUT, FILES, VARIABLES, exits, table
from client.faces.face_choice import FaceKind
from client.text.sanitize import inert
from client.text.suggestions import closest


def parser() -> argparse.ArgumentParser:
    """What can be typed."""
    epilog = "\n".join([exits(), table("files", FILES), table("environment", VARIABLES)])
    top = SuggestingParser(prog="chatterbox", description=ABOUT, epilog=epilog, **_common())
    version = f"chatterbox {__version__}"
    top.add_argument("--version", action="version", version=version, help="print the version")
    commands = CommandParsers(top.add_subparsers(title="commands", dest="command", metavar="COMMAND"))
    _accounts(commands)
    _rooms(commands)
    _messages(commands)
    _doctor(commands)
    _manual(commands)
    _config(commands)
    return top


class SuggestingParser(argparse.ArgumentParser):
    """One that guesses which command was meant, and is at a loss like the rest of the program: with 2."""

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        guess = _guess(wrong[1], re.findall(r"[\w-]+", wrong[2])) if wrong else None
        super().error(f"{inert(message)}" + (f"\nDid you mean {guess}?" if guess else ""))


def _guess(word: str, commands: list[str]) -> str | None:
    return "--help" if word in {"help", "?"} else closest(word, commands)


class CommandParsers:
    """Adds commands that all look alike in their help."""

    def __init__(self, actions: "argparse._SubParsersAction[SuggestingParser]") -> None:
        self._actions = actions

    def add(self, name: str, about: str, *examples: str) -> argparse.ArgumentParser:
        epilog = "\n".join(["examples:", *(f"  chatterbox {example}" for example in examples), "", exits()])
        description = f"{about[0].upper()}{about[1:]}."
        return self._actions.add_parser(name, help=about, description=description, epilog=epilog, **_common())


def _common() -> dict[str, Any]:
    server = argparse.ArgumentParser(add_help=False)
    about = "the server, for example https://chat.example.org"
    server.add_argument("--server", metavar="URL", default=argparse.SUPPRESS, help=about)
    about = "the profile of the configuration"
    server.add_argument("--profile", metavar="NAME", default=argparse.SUPPRESS, help=about)
    return {"formatter_class": argparse.RawDescriptionHelpFormatter, "parents": [server]}


def _accounts(commands: CommandParsers) -> None:
    stdin = "without a terminal, its password is the first line of the input"
    add = commands.add("register", "make an account and log in", "register alice")
    add.add_argument("username", metavar="USERNAME", nargs="?", help=f"3-32 letters, digits or '_.-'; {stdin}")
    add = commands.add(
        "login", "log in; the session is kept until it ends", "login alice", "login alice < password-file"
    )
    add.add_argument("username", metavar="USERNAME", nargs="?", help=f"who you are; {stdin}")
    add = commands.add(
        "logout", "end the session, here and on the server, or another one", "logout", "logout 5b1c", "logout others"
    )
    beginning = "as `chatterbox sessions` lists it (its beginning is enough), or `others`: all but this one"
    add.add_argument("session", metavar="ID", nargs="?", help=f"another session to end, {beginning}")
    add = commands.add(
        "sessions", "list where you are logged in, or end one session", "sessions", "sessions --end 5b1c"
    )
    add.add_argument("--end", dest="session", metavar="ID", help=f"end this session, {beginning}")


def _rooms(commands: CommandParsers) -> None:
    commands.add("rooms", "list the rooms that you are in or could join", "rooms")
    add = commands.add("create", "make a room", "create ops", "create --private board")
    add.add_argument("new_room", metavar="ROOM", help="1-40 letters, digits or '_.-'")
    add.add_argument("--private", action="store_true", help="only for those who are invited")
    add = commands.add("join", "become a member of a public room", "join ops")
    add.add_argument("room", metavar="ROOM")
    add = commands.add("leave", "stop being a member of a room", "leave ops")
    add.add_argument("room", metavar="ROOM")
    add = commands.add("invite", "make somebody a member of a room that you are in", "invite ops bob")
    add.add_argument("room", metavar="ROOM")
    add.add_argument("person", metavar="USERNAME")
    add = commands.add("topic", "print what a room is about, or say it", "topic ops", "topic ops 'who is on call: ada'")
    add.add_argument("room", metavar="ROOM")
    add.add_argument(
        "topic", metavar="TEXT", nargs="?", help="one line, for all who may see the room; '-' takes it away"
    )
    add = commands.add("members", "list who is in a room that you are in", "members ops")
    add.add_argument("room", metavar="ROOM")


def _messages(commands: CommandParsers) -> None:
    add = commands.add("chat", "talk: what you type is sent, what is said is shown", "chat", "chat ops --plain")
    add.add_argument("room", metavar="ROOM", nargs="?", help="the room to begin in (else as configured, else general)")
    lines = "a line to type on and what is said above it, instead of the full screen"
    add.add_argument("--lines", dest="face", action="store_const", const=FaceKind.LINES, help=lines)
    plain = "only add lines, draw nothing anew: for screen readers and serial lines (also on TERM=dumb, and in pipes)"
    add.add_argument("--plain", dest="face", action="store_const", const=FaceKind.PLAIN, help=plain)
    add.set_defaults(face=FaceKind.SCREEN)
    _send(commands)
    _tail(commands)


def _send(commands: CommandParsers) -> None:
    about = "send a message, or every line of the input; done when all of it is stored"
    add = commands.add("send", about, "send ops 'deployed 1.4'", "send ops - < lines.txt")
    add.add_argument("room", metavar="ROOM")
    add.add_argument("content", metavar="TEXT", nargs="?", help="the message; '-' or nothing: the lines of the input")
    wait = "how long to wait for the server (30); what it did not take by then stays in the outbox"
    add.add_argument("--timeout", metavar="SECONDS", type=values.seconds, default=30.0, help=wait)


def _tail(commands: CommandParsers) -> None:
    about = "print the messages of rooms as they come, each once and in order, over lost connections too"
    examples = ("tail ops", "tail ops --json --count 1", "tail ops deploys --json --resume mailer")
    add = commands.add("tail", about, *examples)
    add.add_argument("rooms", metavar="ROOM", nargs="+", help="one or more; with several, each line names its room")
    add.add_argument("--json", action="store_true", help="one JSON object for each message, on one line")
    resume = "go on where the last `tail --resume NAME` got to; kept on disk after each line was written"
    add.add_argument("--resume", metavar="NAME", help=resume)
    since = "begin after this position of the one room (where --resume has none yet)"
    add.add_argument("--since", metavar="EPOCH:OFFSET", type=values.place, help=since)
    recent = "without a position: begin N messages back (10)"
    add.add_argument("--recent", metavar="N", type=values.count, default=10, help=recent)
    add.add_argument("--count", metavar="N", type=values.some, help="end after N messages")


def _doctor(commands: CommandParsers) -> None:
    about = "check that a server can be used through whatever is between, and say what to change when not"
    add = commands.add("doctor", about, "doctor", "doctor https://chat.example.org --idle 45", "doctor --json | jq .ok")
    add.add_argument("server_url", metavar="URL", nargs="?", help="the server; with a login there, more is checked")
    add.add_argument("--json", action="store_true", help="one JSON object")
    idle = "how long to say nothing, to see whether that is cut (3); more than twice the server's ping tells most"
    add.add_argument("--idle", metavar="SECONDS", type=values.seconds, default=3.0, help=idle)


def _config(commands: CommandParsers) -> None:
    about = "say where the configuration is, what is in effect and why, or what is wrong with it"
    add = commands.add("config", about, "config check", "config show --profile work", "config path")
    what = "path: of the file; show: every key with its value and where that comes from; check: exits with 2 if wrong"
    add.add_argument("what", choices=["check", "show", "path"], help=what)


def _manual(commands: CommandParsers) -> None:
    commands.add("man", "print the manual page", "man | man -l -")
    install = "completion bash > ~/.local/share/bash-completion/completions/chatterbox"
    about = "print what teaches a shell to complete commands, rooms and sessions, without asking the server"
    add = commands.add("completion", about, install, "completion fish | source")
    add.add_argument("shell", metavar="SHELL", choices=["bash", "zsh", "fish"], help="bash, zsh or fish")
