"""The argument parser. Completion, the manual page and the docs are generated from it."""

import argparse
import re
from typing import Any, NoReturn

from chatterbox import __version__
from chatterbox.wire.people import Writers
from client.cli import values
from client.cli.help_text import DESCRIPTION, FILES, VARIABLES, exit_codes, table
from client.faces.face_choice import FaceKind
from client.text.sanitize import inert

KEY_ACTIONS = (
    "status",
    "passphrase",
    "init",
    "recover",
    "code",
    "devices",
    "approve",
    "refuse",
    "remove",
    "number",
    "verify",
    "unverify",
    "accept",
    "doctor",
    "export",
    "import",
    "reset",
)
"""What `keys` can do."""


def create_parser() -> argparse.ArgumentParser:
    """Create the parser of the program with all its commands."""
    epilog = "\n".join([exit_codes(), table("files", FILES), table("environment", VARIABLES)])
    top = SuggestingParser(prog="chatterbox", description=DESCRIPTION, epilog=epilog, **_common())
    version = f"chatterbox {__version__}"
    top.add_argument("--version", action="version", version=version, help="print the version")
    commands = CommandParsers(top.add_subparsers(title="commands", dest="command", metavar="COMMAND"))
    _add_accounts(commands)
    _add_rooms(commands)
    _add_messages(commands)
    _add_keys(commands)
    _add_doctor(commands)
    _add_manual(commands)
    _add_config(commands)
    return top


class SuggestingParser(argparse.ArgumentParser):
    """An argument parser that suggests the nearest command for a mistyped one. Errors exit with 2."""

    def error(self, message: str) -> NoReturn:
        invalid = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        guess = _nearest(invalid[1], re.findall(r"[\w-]+", invalid[2])) if invalid else None
        super().error(f"{inert(message)}" + (f"\nDid you mean {guess}?" if guess else ""))


def _nearest(word: str, commands: list[str]) -> str | None:
    from client.text.suggestions import (
        closest,  # imported late: `--version` would wait for msgspec and the wire's frames
    )

    return "--help" if word in {"help", "?"} else closest(word, commands)


class CommandParsers:
    """Adds commands whose help has the same layout: description, arguments, examples, exit codes."""

    def __init__(self, actions: "argparse._SubParsersAction[SuggestingParser]") -> None:
        self._actions = actions

    def add(self, name: str, summary: str, *examples: str) -> argparse.ArgumentParser:
        epilog = "\n".join(["examples:", *(f"  chatterbox {example}" for example in examples), "", exit_codes()])
        description = f"{summary[0].upper()}{summary[1:]}."
        return self._actions.add_parser(name, help=summary, description=description, epilog=epilog, **_common())


def _common() -> dict[str, Any]:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--server", metavar="URL", default=argparse.SUPPRESS, help="the server, for example https://chat.example.org"
    )
    shared.add_argument(
        "--profile", metavar="NAME", default=argparse.SUPPRESS, help="the profile of the configuration to use"
    )
    return {"formatter_class": argparse.RawDescriptionHelpFormatter, "parents": [shared]}


def _add_accounts(commands: CommandParsers) -> None:
    stdin = "without a terminal, the password is read from the first line of standard input"
    add = commands.add("register", "create an account and log in", "register alice")
    add.add_argument("username", metavar="USERNAME", nargs="?", help=f"3-32 letters, digits or '_.-'; {stdin}")
    add.add_argument("--code", metavar="CODE", default="", help="invitation code, if the server asks for one")
    add = commands.add(
        "login", "log in; the session is saved until it ends", "login alice", "login alice < password-file"
    )
    add.add_argument("username", metavar="USERNAME", nargs="?", help=f"your username; {stdin}")
    add = commands.add(
        "passwd", "change your password; your other sessions end", "passwd", "passwd --code", "passwd alice --code"
    )
    add.add_argument("username", metavar="USERNAME", nargs="?", help="with --code: whose password (default: yours)")
    by_code = "set a new password with a reset code of the server's operator, instead of the current password"
    add.add_argument("--code", action="store_true", help=by_code)
    add = commands.add(
        "logout",
        "end the session, here and on the server, or another session",
        "logout",
        "logout 5b1c",
        "logout others",
    )
    id_or_others = "an ID from `chatterbox sessions` (its first characters are enough) or `others`: all but this one"
    add.add_argument("session", metavar="ID", nargs="?", help=f"another session to end: {id_or_others}")
    add = commands.add("sessions", "list your sessions, or end one of them", "sessions", "sessions --end 5b1c")
    add.add_argument("--end", dest="session", metavar="ID", help=f"end a session: {id_or_others}")
    add.add_argument("--json", action="store_true", help="one JSON object per session and line")


def _add_rooms(commands: CommandParsers) -> None:
    add = commands.add("rooms", "list the rooms that you are in or can join", "rooms", "rooms --json | jq -r .room")
    add.add_argument("--json", action="store_true", help="one JSON object per room and line")
    add = commands.add(
        "create", "create a room", "create ops", "create --private board", "create --encrypted board --history all"
    )
    add.add_argument("new_room", metavar="ROOM", help="1-40 letters, digits or '_.-'")
    add.add_argument("--private", action="store_true", help="by invitation only")
    encrypted = "private and end-to-end encrypted (beta until reviewed from outside); the name gets a ~ at its end"
    add.add_argument("--encrypted", action="store_true", help=encrypted)
    newcomers = "what new members of an encrypted room can read: all, or from their joining on (default)"
    add.add_argument("--history", choices=("all", "joining"), help=newcomers)
    add = commands.add("join", "join a public room, or open the direct conversation @USERNAME", "join ops", "join @bob")
    add.add_argument("room", metavar="ROOM")
    add = commands.add("leave", "leave a room", "leave ops")
    add.add_argument("room", metavar="ROOM")
    add.add_argument(
        "--yes", action="store_true", help="if you are the last member of a private room: delete it without asking"
    )
    add = commands.add("invite", "invite a user to a room that you are in", "invite ops bob")
    add.add_argument("room", metavar="ROOM")
    add.add_argument("person", metavar="USERNAME")
    commands.add("invitations", "list the rooms that you are invited to", "invitations")
    add = commands.add("accept", "accept an invitation to a room", "accept ops")
    add.add_argument("invited_room", metavar="ROOM")
    add = commands.add("decline", "decline an invitation to a room", "decline ops")
    add.add_argument("invited_room", metavar="ROOM")
    _add_people(commands)
    summary = "get no more invitations and direct messages from a user, or list those you block"
    add = commands.add("block", summary, "block bob", "block")
    add.add_argument("person", metavar="USERNAME", nargs="?")
    add = commands.add("unblock", "allow a user's invitations and direct messages again", "unblock bob")
    add.add_argument("person", metavar="USERNAME")
    add = commands.add("remove", "remove a member from a room that you created", "remove ops bob")
    add.add_argument("room", metavar="ROOM")
    add.add_argument("person", metavar="USERNAME")
    add = commands.add("delete-room", "delete a room that you created, with all of its messages", "delete-room ops")
    add.add_argument("room", metavar="ROOM")
    add.add_argument("--yes", action="store_true", help="delete it without asking")
    add = commands.add("topic", "print or set the topic of a room", "topic ops", "topic ops 'who is on call: ada'")
    add.add_argument("room", metavar="ROOM")
    add.add_argument(
        "topic", metavar="TEXT", nargs="?", help="one line, visible to everyone who can see the room; '-' clears it"
    )
    add = commands.add("members", "list the members of a room that you are in", "members ops")
    add.add_argument("room", metavar="ROOM")
    add.add_argument("--json", action="store_true", help="one JSON object per member and line")


def _add_people(commands: CommandParsers) -> None:
    add = commands.add("whois", "show the presence and the profile of a user", "whois bob", "whois bob --json")
    add.add_argument("person", metavar="USERNAME")
    add.add_argument("--json", action="store_true", help="one JSON object")
    summary = "show or set your profile, your status, what others see of what you do, and who may write to you"
    examples = (
        "me",
        "me --display-name 'Ada L.' --show bio=rooms",
        "me --status 'at the dentist' --until 15:00",
        "me --presence off",
    )
    add = commands.add("me", summary, *examples)
    add.add_argument("--display-name", metavar="TEXT", help="the name beside your username; '' clears it")
    add.add_argument("--bio", metavar="TEXT", help="what you tell about yourself; '' clears it")
    picture = "your picture: JPEG, PNG, GIF or WebP of at most 2 MiB, which is cut to a square; '' removes it"
    add.add_argument("--picture", metavar="PATH", help=picture)
    add.add_argument("--status", metavar="TEXT", help="what you are doing at the moment; '' clears it")
    add.add_argument("--for", dest="status_for", metavar="TIME", help="the status ends after 30m, 2h or 1d")
    add.add_argument("--until", dest="status_until", metavar="TIME", help="the status ends at this time, such as 15:00")
    show = "who may see name, bio, picture or status: everyone, rooms (users who share a room with you) or nobody"
    add.add_argument("--show", metavar="FIELD=WHO", action="append", help=f"{show}; may be repeated")
    presence = "whether others see that you are online or away, and when you were last here"
    add.add_argument("--presence", choices=["on", "off"], metavar="on|off", help=presence)
    add.add_argument("--typing", choices=["on", "off"], metavar="on|off", help="whether others see that you are typing")
    receipts = "whether others see how far you have read"
    add.add_argument("--receipts", choices=["on", "off"], metavar="on|off", help=receipts)
    who = "everyone, rooms (users who share a room with you, other than general), or nobody; blocked users never may"
    add.add_argument("--writes", metavar="WHO", choices=list(Writers), help=f"who may write to you directly: {who}")
    add.add_argument("--json", action="store_true", help="one JSON object with all of your settings")


def _add_messages(commands: CommandParsers) -> None:
    add = commands.add("chat", "open the chat: read and write messages", "chat", "chat ops --plain")
    add.add_argument(
        "room", metavar="ROOM", nargs="?", help="the room to open first (default: as configured, else general)"
    )
    lines = "an input line with messages above it, instead of the full screen"
    add.add_argument("--lines", dest="face", action="store_const", const=FaceKind.LINES, help=lines)
    plain = "only append lines, never redraw: for screen readers and serial lines (default with TERM=dumb and in pipes)"
    add.add_argument("--plain", dest="face", action="store_const", const=FaceKind.PLAIN, help=plain)
    add.set_defaults(face=FaceKind.SCREEN)
    _add_send(commands)
    _add_download(commands)
    _add_search(commands)
    _add_unread(commands)
    _add_changes(commands)
    _add_outbox(commands)
    _add_tail(commands)


def _add_send(commands: CommandParsers) -> None:
    summary = "send a message, or every line of standard input; returns when all of it is stored"
    examples = (
        "send ops 'deployed 1.4'",
        "send @bob 'lunch?'",
        "send ops - < lines.txt",
        "send ops --whole < report.txt",
        "send ops 'the plan' --file plan.pdf",
    )
    add = commands.add("send", summary, *examples)
    add.add_argument("room", metavar="ROOM", help="a room, or @USERNAME: the direct conversation with that user")
    add.add_argument(
        "content",
        metavar="TEXT",
        nargs="?",
        help="the message; '-', or no text without --file: the lines of standard input",
    )
    timeout = "how long to wait for the server (30); messages that it has not stored by then stay in the outbox"
    add.add_argument("--timeout", metavar="SECONDS", type=values.seconds, default=30.0, help=timeout)
    add.add_argument("--whole", action="store_true", help="send all of standard input as one message")
    add.add_argument("--strip-ansi", action="store_true", help="remove colours and other escape sequences first")
    answered = "answer the message with this offset (`tail --json` prints it)"
    add.add_argument("--reply-to", metavar="OFFSET", type=values.offset, default=0, help=answered)
    accept = "if the recipient has new keys: send to them if this is the new safety number, with or without spaces"
    add.add_argument("--accept-keys", metavar="DIGITS", default="", help=accept)
    files = "upload these files and send them in one message; if it ends early, the same command continues"
    add.add_argument("--file", metavar="PATH", dest="files", nargs="+", action="extend", default=[], help=files)


def _add_download(commands: CommandParsers) -> None:
    add = commands.add(
        "download",
        "save a file of a message; prints where. If it ends early, the same command continues",
        "download 4f0c2a",
        "download 4f0c2a -o ~/Downloads",
        "download 4f0c2a --room @bob",
    )
    add.add_argument("file_id", metavar="ID", help="the file's id: `files` in `tail --json`; `tail` prints the command")
    where = "a folder, or the name of the new file (default: its own name, in this folder); an existing file is kept"
    add.add_argument("-o", "--output", metavar="PATH", help=where)
    room = "the encrypted conversation that the file is of: its message has the key"
    add.add_argument("--room", metavar="ROOM", help=room)


def _add_search(commands: CommandParsers) -> None:
    summary = "find messages of encrypted rooms that this computer has read; exit code 1 if there are none"
    examples = ("search @bob deploy friday", "search --all '\"back up\"'", "search @bob plan --json | jq .at.offset")
    add = commands.add("search", summary, *examples)
    where = "an encrypted room, or @USERNAME; not given with --all"
    add.add_argument("searched", metavar="ROOM", help=where)
    what = "beginnings of words that the message has; words in quotation marks stand in it so"
    add.add_argument("words", metavar="WORDS", nargs="*", help=what)
    add.add_argument("--all", action="store_true", help="search all encrypted rooms")
    most = "at most this many, the newest (50)"
    add.add_argument("--limit", metavar="N", type=values.positive_count, default=50, help=most)
    add.add_argument("--json", action="store_true", help="one JSON object per message and line")


def _add_unread(commands: CommandParsers) -> None:
    summary = "list the rooms with unread messages; exit code 0 if there are any, 1 if there are none"
    add = commands.add("unread", summary, "unread", "unread --json | jq -s 'map(.unread) | add'")
    add.add_argument("--json", action="store_true", help="one JSON object per room and line")


def _add_changes(commands: CommandParsers) -> None:
    """The commands about one message: which, is its offset in the room."""
    offset = "the message, by its number in the room: `at.offset` in `tail --json`, or #N in a chat"
    add = commands.add(
        "edit", "replace the text of a message that you sent", "edit ops 41 'back up'", "edit ops 41 - < report.txt"
    )
    add.add_argument("room", metavar="ROOM")
    add.add_argument("offset", metavar="OFFSET", type=values.offset, help=offset)
    add.add_argument("content", metavar="TEXT", help="the new text; '-': all of standard input")
    summary = "erase a message that you sent, or any message of a room that you created"
    add = commands.add("delete", summary, "delete ops 41")
    add.add_argument("room", metavar="ROOM")
    add.add_argument("offset", metavar="OFFSET", type=values.offset, help=offset)
    add = commands.add("react", "react to a message", "react ops 41 :tada:", "react ops 41 :tada: --remove")
    add.add_argument("room", metavar="ROOM")
    add.add_argument("offset", metavar="OFFSET", type=values.offset, help=offset)
    add.add_argument("emoji", metavar="EMOJI", help="an emoji, or a name such as :tada:")
    add.add_argument("--remove", action="store_true", help="take the reaction back")
    add = commands.add("pin", "pin a message", "pin ops 41", "pin ops 41 --remove")
    add.add_argument("room", metavar="ROOM")
    add.add_argument("offset", metavar="OFFSET", type=values.offset, help=offset)
    add.add_argument("--remove", action="store_true", help="unpin it")


def _add_outbox(commands: CommandParsers) -> None:
    summary = "list the unsent messages on this computer, or delete one of them"
    add = commands.add("outbox", summary, "outbox", "outbox drop 5eed1c")
    add.add_argument("what", nargs="?", choices=["list", "drop"], default="list", help="list (default) or drop")
    add.add_argument("entry", metavar="ID", nargs="?", help="the message to delete, by its id in the list")
    add.add_argument("--json", action="store_true", help="one JSON object per message and line")


def _add_tail(commands: CommandParsers) -> None:
    summary = "print the messages of rooms as they arrive, each once and in order, across reconnects"
    examples = ("tail ops", "tail ops --json --count 1", "tail ops deploys --json --resume mailer")
    add = commands.add("tail", summary, *examples)
    add.add_argument("rooms", metavar="ROOM", nargs="+", help="one or more; with several, each line names its room")
    add.add_argument("--json", action="store_true", help="one JSON object per message and line")
    resume = "continue where the last `tail --resume NAME` stopped; the position is saved after each line is written"
    add.add_argument("--resume", metavar="NAME", help=resume)
    since = "start after this position (one room only; ignored if --resume has a saved position)"
    add.add_argument("--since", metavar="EPOCH:OFFSET", type=values.message_position, help=since)
    recent = "without a position: start N messages back (10; with --resume 0)"
    add.add_argument("--recent", metavar="N", type=values.count, help=recent)
    add.add_argument("--count", metavar="N", type=values.positive_count, help="exit after N messages")
    changes = "print also what happens to messages: edits, deletions, reactions, pins; with --json as type `change`"
    add.add_argument("--changes", action="store_true", help=changes)


def _add_keys(commands: CommandParsers) -> None:
    summary = "show and manage the keys of encrypted conversations: devices, recovery key, safety numbers, backup"
    examples = (
        "keys",
        "keys init --recovery-to recovery-key.txt",
        "keys recover",
        "keys number bob",
        "keys verify bob",
        "keys remove D4F7K2M9QX --stolen",
        "keys export messages.keys",
    )
    add = commands.add("keys", summary, *examples)
    what = (
        "status (default); init: make keys; recover: enter the recovery key on a new device; code: make another "
        "recovery key; devices: list them; approve, refuse, remove ID: a device; number USER: show the safety number; "
        "verify, unverify USER: compare keys, or undo that; accept USER: take their new keys; doctor: look for "
        "problems; export, import FILE: keys of messages; passphrase: set or change that of the key store; reset: "
        "start again with new keys"
    )
    add.add_argument("what", metavar="WHAT", nargs="?", choices=KEY_ACTIONS, default="status", help=what)
    about = "the device of approve, refuse and remove, the user of number, verify, unverify and accept, or the file"
    add.add_argument("key_target", metavar="ID|USER|FILE", nargs="?", help=about)
    stolen = "with remove: others may have the device; replace the keys that it has (asks for the recovery key)"
    add.add_argument("--stolen", action="store_true", help=stolen)
    number = "with verify: by the safety number, on the phone, instead of with the other's screen"
    add.add_argument("--number", action="store_true", help=number)
    recovery = "with init and code: write the recovery key to this new file, and ask nothing; for scripts"
    add.add_argument("--recovery-to", metavar="FILE", help=recovery)
    by_file = (
        "with passphrase: read the new one from the first line of this file (empty: none), and ask nothing. For other "
        "commands, CHATTERBOX_PASSPHRASE_FILE names the file with the present one"
    )
    add.add_argument("--passphrase-file", metavar="FILE", help=by_file)
    add.add_argument("--yes", action="store_true", help="with refuse, remove and reset: do it without asking")
    add.add_argument("--json", action="store_true", help="with status, devices, number and doctor: JSON, one per line")
    summary = "decrypt messages as `GET /messages` returns them: JSON lines from standard input to standard output"
    commands.add("decrypt", summary, "decrypt < messages.jsonl", "decrypt < messages.jsonl | jq -r .content")


def _add_doctor(commands: CommandParsers) -> None:
    summary = "diagnose the connection: DNS, TLS, proxy, WebSocket, login"
    add = commands.add(
        "doctor", summary, "doctor", "doctor https://chat.example.org --idle 45", "doctor --json | jq .ok"
    )
    add.add_argument("server_url", metavar="URL", nargs="?", help="the server; if you are logged in, more is checked")
    add.add_argument("--json", action="store_true", help="one JSON object")
    idle = "how long to stay idle, to see whether the connection is cut (3); use more than twice the ping interval"
    add.add_argument("--idle", metavar="SECONDS", type=values.seconds, default=3.0, help=idle)


def _add_config(commands: CommandParsers) -> None:
    summary = "show the configuration: where it is, what is in effect, or what is wrong"
    add = commands.add("config", summary, "config check", "config show --profile work", "config path")
    what = "path: of the file; show: every key with its value and its origin; check: list errors, exit with 2 if any"
    add.add_argument("what", choices=["check", "show", "path"], help=what)


def _add_manual(commands: CommandParsers) -> None:
    commands.add("man", "print the manual page", "man | man -l -")
    install = "completion bash > ~/.local/share/bash-completion/completions/chatterbox"
    summary = "print a completion script for bash, zsh or fish"
    add = commands.add("completion", summary, install, "completion fish | source")
    add.add_argument("shell", metavar="SHELL", choices=["bash", "zsh", "fish"], help="bash, zsh or fish")
