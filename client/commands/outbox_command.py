"""The command `chatterbox outbox`: list the unsent messages on this computer, or delete one. Needs no server."""

import json

from client.context import ClientContext
from client.core.outbox_entry import OutboxEntry
from client.failures import ExitCode, UsageError
from client.output import print_result, print_status
from client.store.outbox import Outbox, StoredEntry, every_entry
from client.text.outbox_text import dropped_line, outbox_lines


def outbox(context: ClientContext, what: str, entry_id: str | None, *, as_json: bool = False) -> ExitCode:
    """Run `chatterbox outbox list` or `drop ID`."""
    if (what == "drop") != (entry_id is not None):
        raise UsageError("Usage: chatterbox outbox [list | drop ID]")
    session = context.tokens.session()
    path = context.outbox_path(session)
    if entry_id is not None:
        with Outbox(path, context.text_cipher(session)) as opened:
            print_result(dropped_line(opened.drop(entry_id)))
        return ExitCode.OK
    stored = every_entry(path, context.text_cipher(session))
    lines = list(map(_as_json, stored)) if as_json else outbox_lines(*_columns(stored))
    for line in lines:
        print_result(line)
    if not stored:
        print_status("No unsent messages.")
    return ExitCode.OK


def _columns(stored: list[StoredEntry]) -> tuple[list[OutboxEntry], list[bool]]:
    return [each.entry for each in stored], [each.is_held for each in stored]


def _as_json(stored: StoredEntry) -> str:
    entry = stored.entry
    return json.dumps(
        {"id": entry.short_id, "room": entry.room, "content": entry.text, "queued_at_s": entry.queued_at_s}
        | {"held": stored.is_held}
        | ({"files": [file.name for file in entry.files]} if entry.files else {})
    )
