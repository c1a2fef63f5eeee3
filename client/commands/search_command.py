"""The command `search`: finds messages of encrypted rooms on this computer; made for people and scripts."""

import json
from collections.abc import Sequence

from client.commands.keys.key_output import ask_passphrase
from client.context import ClientContext
from client.encryption.search.search_index import FoundMessage
from client.failures import ExitCode, UsageError
from client.net.search import search_jobs
from client.output import print_result, print_status
from client.text.encryption.search_text import reach_line, result_lines


def search(context: ClientContext, room: str, words: Sequence[str], *, limit: int, as_json: bool) -> ExitCode:
    """Print the messages that match, the newest last; `room` empty: of all encrypted rooms.

    How far back they were searched goes to standard error. The exit code tells whether there were any.
    """
    typed = " ".join(words)
    if not typed.strip():
        raise UsageError("Which words? chatterbox search ROOM WORDS, or: chatterbox search --all WORDS")
    result = search_jobs.search(context, typed, room, limit=limit, ask_passphrase=ask_passphrase)
    if as_json:
        lines = [_as_json(name, each) for name, each in reversed(result.found)]
    else:
        lines = result_lines(result.found, several=not room) if result.found else []
    for line in lines:
        print_result(line)
    if not result.found:
        print_status("No match.")
    for name, reach in result.reach:
        print_status(reach_line(name, reach))
    return ExitCode.OK if result.found else ExitCode.NOTHING_FOUND


def _as_json(room: str, found: FoundMessage) -> str:
    return json.dumps(
        {
            "room": room,
            "at": {"epoch": found.epoch, "offset": found.offset},
            "username": found.username,
            "timestamp": found.timestamp,
            "content": found.text,
            "files": found.files.splitlines(),
        }
    )
