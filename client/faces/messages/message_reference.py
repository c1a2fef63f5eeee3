"""Finds the message that a command such as `/edit 07:11 TEXT` is about, and makes the request for it. Pure."""

import re
from collections.abc import Callable, Sequence

from chatterbox.wire import frames
from chatterbox.wire.frames import Message
from client.core.events import CommandRequested, SendRequested
from client.faces.slash.slash_parser import LocalCommand, LocalCommandName, UsageMistake
from client.text.file_text import summary
from client.text.note_text import clock
from client.text.sanitize import inert

_REFERENCE = re.compile(r"(\d{1,2}:\d\d|#\d{1,15})(?:\s+|$)")
_NUMBER = re.compile(r"#?(\d{1,15})")
LAST = "last"
"""What `/save` takes for the last message with files."""
_LISTED = 5
_LISTED_CHARS = 30


def split_reference(text: str) -> tuple[str, str]:
    """Split a time or a number off the start of a text; it is empty if there is none.

    >>> split_reference("07:11 hello"), split_reference("#41 hello"), split_reference("41 hello")
    (('07:11', 'hello'), ('#41', 'hello'), ('', '41 hello'))
    """
    found = _REFERENCE.match(text)
    return (found[1], text[found.end() :]) if found and text[found.end() :] else ("", text)


def request_for(
    command: LocalCommand, messages: Sequence[Message], username: str
) -> CommandRequested | SendRequested | UsageMistake:
    """The request that a command about a message stands for; `messages` are those of its room that are held."""
    room, which, text = command.room, command.argument, ""
    match command.name:
        case LocalCommandName.EDIT | LocalCommandName.REPLY:
            which, text = split_reference(command.argument)
        case LocalCommandName.REACT | LocalCommandName.UNREACT:
            text, _, which = command.argument.partition(" ")
        case _:
            pass  # the argument is the message
    offset = _offset_of(which.strip(), messages, _default(command.name, username), _fits(command.name, username))
    if isinstance(offset, UsageMistake):
        return offset
    match command.name:
        case LocalCommandName.EDIT:
            return CommandRequested(frames.Edit(id=0, room=room, offset=offset, content=text))
        case LocalCommandName.DELETE:
            return CommandRequested(frames.DeleteMessage(id=0, room=room, offset=offset))
        case LocalCommandName.REACT | LocalCommandName.UNREACT as name:
            remove = name is LocalCommandName.UNREACT
            return CommandRequested(frames.React(id=0, room=room, offset=offset, emoji=text, remove=remove))
        case LocalCommandName.PIN | LocalCommandName.UNPIN as name:
            remove = name is LocalCommandName.UNPIN
            return CommandRequested(frames.Pin(id=0, room=room, offset=offset, remove=remove))
        case LocalCommandName.REPLY:
            return SendRequested(room, text, offset)
        case LocalCommandName.THREAD:
            root = next((message.thread for message in messages if message.at.offset == offset), 0)
            return CommandRequested(frames.ReadHistory(id=0, room=room, thread=root or offset))
        case _:
            raise AssertionError(command.name)


def message_with_files(which: str, messages: Sequence[Message]) -> Message | UsageMistake:
    """The message whose files `/save` is about: by its number or time, or the `last` one that has any."""
    if which == LAST:
        found = [message for message in messages if message.files]
        return found[-1] if found else UsageMistake("No message with a file here yet.")
    offset = _offset_of(which, messages, _has_files, _has_files)
    if isinstance(offset, UsageMistake):
        return offset
    named = next((message for message in messages if message.at.offset == offset), None)
    if named is None:
        return UsageMistake(f"Message #{offset} is not among the last ones of this room.")
    return named if named.files else UsageMistake(f"Message #{offset} has no file.")


def _has_files(message: Message) -> bool:
    return bool(message.files)


Filter = Callable[[Message], bool]


def _fits(name: LocalCommandName, username: str) -> Filter:
    """Which messages a command can be about."""
    match name:
        case LocalCommandName.EDIT:
            return lambda message: message.username == username and not message.deleted
        case LocalCommandName.UNPIN:
            return lambda message: message.pinned
        case _:
            return lambda message: not message.deleted


def _default(name: LocalCommandName, username: str) -> Filter:
    """Of which messages a command without a reference takes the last."""
    match name:
        case LocalCommandName.DELETE:
            return lambda message: message.username == username
        case LocalCommandName.REPLY:
            return lambda message: message.username != username
        case LocalCommandName.THREAD:
            return lambda message: bool(message.thread or message.replies)
        case _:
            return lambda _: True


def _offset_of(which: str, messages: Sequence[Message], is_default: Filter, fits: Filter) -> int | UsageMistake:
    candidates = [message for message in messages if fits(message)]
    if not which:
        found = [message for message in candidates if is_default(message)]
        return found[-1].at.offset if found else UsageMistake("No such message here yet. Name it: 07:11 or #41")
    if (number := _NUMBER.fullmatch(which)) is not None:
        return int(number[1])
    found = [message for message in candidates if clock(message.timestamp) == which.zfill(5)]
    found = [message for message in found if message.timestamp[:10] == found[-1].timestamp[:10]]
    if len(found) == 1:
        return found[0].at.offset
    if not found:
        return UsageMistake(f"No such message at {inert(which)} among the last ones of this room.")
    listed = ", ".join(_listed(message) for message in found[-_LISTED:])
    return UsageMistake(f"{len(found)} messages at {which}. Name one by its number: {listed}")


def _listed(message: Message) -> str:
    content = summary(message.content, message.files)
    text = content if len(content) <= _LISTED_CHARS else f"{content[:_LISTED_CHARS]}…"
    return f"#{message.at.offset} ({text})"
