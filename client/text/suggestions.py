"""Sentences for rooms and users that the server does not know, with what was probably meant. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TypeAlias

from chatterbox.wire import frames
from client.text.room_text import shown_room
from client.text.sanitize import inert, inert_name

RoomCommand: TypeAlias = (
    frames.Join | frames.Leave | frames.Invite | frames.Remove | frames.DeleteRoom | frames.SetTopic
)
"""A command about a room that may not exist."""

SLASH = "/"
SHELL = "chatterbox "
"""What a suggested command begins with: typed in a chat, or in a shell."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be.

    >>> closest("genral", ["general", "ops"])
    'general'
    """
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.6)), None)


def unknown_room(
    command: frames.Command, room: str, rooms: list[str], *, left: bool = False, prefix: str = SLASH
) -> str:
    """Say that `room` of `command` does not exist, and suggest a command: never one to create it for leaving.

    `rooms` are those that the server lists. `left`: the user was in the room. Whether it is private, or was lost with
    a restored backup, the server tells its members only.
    """
    loses = isinstance(command, frames.Leave | frames.Remove | frames.DeleteRoom)
    create = "" if loses else f"{prefix}create {inert_name(room)}"
    if left or invites_into(command, rooms):
        return unlisted_room(room, create=create, left=True)
    open_with = f"{prefix}leave" if isinstance(command, frames.Leave) else "" if loses else f"{prefix}join"
    return unlisted_room(room, rooms, open_with=open_with, create=create)


def unlisted_room(
    room: str, rooms: Iterable[str] = (), *, open_with: str = "", create: str = "", left: bool = False
) -> str:
    """Say that the server lists no such room; `open_with` and `create` are commands to suggest, if any."""
    sentence = f"No room {shown_room(room)} (or it is private and you are not in it)."
    if left:
        return f"{sentence} Ask a member to invite you again{f', or create it again: {create}' if create else '.'}"
    if (found := closest(room, rooms)) is not None:
        guess = inert_name(found)
        return f"{sentence} Did you mean #{guess}?" + (f" {open_with} {guess}" if open_with else "")
    return f"{sentence} To create it: {create}" if create else sentence


def why_not_in(room: str, rooms: list[frames.RoomSummary], *, left: bool = False) -> str:
    """Say why a shell command can't use a room: the user is not in it, or the server lists no such room."""
    names = [summary.room for summary in rooms]
    if room in names:
        return f"You are not in {shown_room(room)}. To join it: chatterbox join {inert_name(room)}"
    return unlisted_room(room, names, open_with=f"{SHELL}join", create=f"{SHELL}create {inert_name(room)}", left=left)


def invites_into(command: frames.Command, rooms: list[str]) -> bool:
    """Whether `command` invites into a room that resembles none of `rooms`.

    That is hardly a typing error: an invitation is to a room that exists, or existed.
    """
    return isinstance(command, frames.Invite) and closest(command.room, rooms) is None


def how_to_confirm(detail: str, room: str) -> str:
    """The server's sentence about leaving as the last member, with the command that confirms it."""
    return f"{inert(detail)} To confirm: /leave {inert_name(room)} confirm"


def unknown_user(detail: str, username: str, people: Iterable[str]) -> str:
    """The server's sentence about an unknown user, with the known name that was probably meant."""
    guess = closest(username, people)
    return inert(detail) + (f" Did you mean {inert_name(guess)}?" if guess else "")
