"""The command `unread`: prints which rooms have unread messages; made for status bars and scripts."""

import json

import msgspec

from chatterbox.wire.errors import Code
from client.context import ClientContext
from client.failures import ExitCode, ServerRefused, Unreachable
from client.net import http_jobs
from client.output import print_result
from client.text.unread_text import UnreadRoom, unread_lines

_OLDER = "This server does not tell what is unread: it is older than this client."


def unread(context: ClientContext, *, as_json: bool = False) -> ExitCode:
    """Print the rooms with unread messages; the exit code tells whether there are any.

    Exit code 1 means that there are none, so a refusal counts as a server that can't be reached.
    """
    try:
        rooms = http_jobs.unread(context)
    except ServerRefused as refusal:
        is_older = refusal.code == Code.NOT_FOUND
        raise Unreachable(_OLDER if is_older else str(refusal)) from None
    if as_json:
        lines = [json.dumps(msgspec.to_builtins(room)) for room in rooms]
    else:
        lines = unread_lines(UnreadRoom(room.room, room.unread, room.mentions) for room in rooms)
    for line in lines:
        print_result(line)
    return ExitCode.OK if rooms else ExitCode.NOTHING_UNREAD
