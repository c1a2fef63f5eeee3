"""`chatterbox outbox`: what it prints of each unsent message."""

import json
from pathlib import Path

import pytest

from chatterbox.wire.frames import AttachedFile
from client.commands import outbox_command
from client.context import ClientContext
from client.store.outbox import new_entry
from client.store.session_file import SavedSession


def test_unsent_message_is_listed_with_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = ClientContext("http://x", tmp_path)
    context.session_file.save(SavedSession(context.server, "alice", "t", "s", 2e9, 1e9))
    plan = AttachedFile(id="f1", name="plan.pdf", type="", size=7)
    with context.outbox(context.tokens.session()) as outbox:
        outbox.add([new_entry("ops", "hello"), new_entry("ops", "", files=(plan,))])
    outbox_command.outbox(context, "list", None, as_json=True)
    plain, with_file = map(json.loads, capsys.readouterr().out.splitlines())
    assert (plain.get("files"), with_file["files"]) == (None, ["plan.pdf"])
    outbox_command.outbox(context, "list", None)
    assert capsys.readouterr().out.splitlines()[1].endswith("#ops: file: plan.pdf (7 bytes)")
