"""The commands over a connection: how each ends."""

from pathlib import Path

import pytest

from chatterbox.wire import frames
from chatterbox.wire.close_codes import SENTENCES, CloseCode
from client.commands import chat_commands
from client.context import ClientContext
from client.failures import NotLoggedIn
from client.store.outbox import count
from client.store.session_file import SavedSession
from tests.unit.client.twin import Line, twin


class TestSend:
    async def test_send_whose_session_ends_reports_the_kept_message(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.expect(frames.Connect)
            await line.socket.close(CloseCode.SESSION_ENDED, SENTENCES[CloseCode.SESSION_ENDED])

        async with twin(script) as server:
            context = ClientContext(server, tmp_path)
            session = SavedSession(server, "alice", "secret-token", "s", expires_at=4e9, lifetime_s=100)
            context.session_file.save(session)
            kept = "The outbox keeps 1 message for the next chat or send."
            with pytest.raises(NotLoggedIn, match=f"^The session has ended. {kept}$"):
                await chat_commands.send(context, "general", "hello", 3.0)
        assert count(context.outbox_path(session)) == 1
