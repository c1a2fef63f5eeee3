"""The commands that may delete a room, and ask before they do: leave, delete-room."""

import asyncio
import sys

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from client.commands import prompts
from client.commands.chat_commands import ask
from client.context import ClientContext
from client.faces.slash.slash_parser import about_to_delete
from client.failures import ExitCode, ServerRefused, UsageError
from client.text.sanitize import inert_name


def leave(context: ClientContext, room: str, *, confirmed: bool) -> ExitCode:
    """Leave a room. If that deletes it, ask first, unless that is `confirmed`."""
    try:
        return asyncio.run(ask(context, frames.Leave(id=0, room=room, delete=confirmed)))
    except ServerRefused as refusal:
        if refusal.code != Code.LAST_MEMBER:
            raise
        _confirm(str(refusal))
    return asyncio.run(ask(context, frames.Leave(id=0, room=room, delete=True)))


def delete_room(context: ClientContext, room: str, *, confirmed: bool) -> ExitCode:
    """Delete a room that the user created. Asks first, unless that is `confirmed`."""
    if not confirmed:
        _confirm(about_to_delete(inert_name(room)))
    return asyncio.run(ask(context, frames.DeleteRoom(id=0, room=room)))


def _confirm(consequence: str) -> None:
    """Go on only if the person at the terminal says yes; raises `UsageError`. Outside of an event loop, for Ctrl-C."""
    if not sys.stdin.isatty():
        raise UsageError(f"{consequence} To confirm: --yes")
    if prompts.ask(f"{consequence} Continue? [y/N] ").casefold() not in {"y", "yes"}:
        raise UsageError("Cancelled.")
