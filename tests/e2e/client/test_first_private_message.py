"""How long the first private message takes: open the conversation, get keys, share them, encrypt, send, store."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.context import ClientContext
from client.core import notes
from client.net.chat_connection import ChatConnection
from client.net.encryption_support import encryption_support
from tests.e2e.client.people import Person, Server, people
from tests.support.waiting import until

PAIRS = 10
MOST_S = 0.3


@pytest.fixture
def encrypting(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", settings={"CHATTERBOX_ENCRYPTION": "direct"})
    server.start()
    yield server
    server.kill()


class Device:
    """A connection in this process, which notes when a message of its own is stored."""

    def __init__(self, person: Person) -> None:
        self.context = ClientContext(person.server, person.home / "chatterbox")
        session = self.context.tokens.session()
        self.stored_at_s = 0.0
        support = encryption_support(self.context, session)
        self.connection = ChatConnection(self.context.server, self.context.tokens, self.show, encryption=support)
        self.running = asyncio.create_task(self.connection.run())

    def show(self, note: notes.Note) -> None:
        if isinstance(note, notes.SendStored):
            self.stored_at_s = time.monotonic()

    async def end(self) -> None:
        self.connection.quit()
        await self.running


@pytest.mark.timing
async def test_first_private_message_is_stored_within_300_ms(tmp_path: Path, encrypting: Server) -> None:
    took_s = []
    for number in range(PAIRS):
        with people(tmp_path, encrypting.url, f"alice{number}", f"bob{number}") as persons:
            alice, bob = map(Device, persons)
            await until(lambda: None not in {alice.connection.encryption, bob.connection.encryption}, 20)  # noqa: B023
            for device in (alice, bob):
                await device.connection.ready_encryption()
            began_s = time.monotonic()
            alice.connection.send(f"@bob{number}", "hello")
            await until(lambda: alice.stored_at_s > 0, 20)  # noqa: B023
            took_s.append(alice.stored_at_s - began_s)
            await asyncio.gather(alice.end(), bob.end())
    assert statistics.median(took_s) < MOST_S, sorted(took_s)
