"""A user in 1,000 rooms with long names comes back after a disconnect, against a real server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chatterbox.wire.close_codes import SENTENCES, CloseCode
from chatterbox.wire.limits import Limits
from client.core import notes
from client.core.message_changes import HeldMessages
from client.net.chat_connection import ChatConnection
from client.net.token_source import TokenSource
from client.store.session_file import SessionFile
from tests.e2e.client.people import DEADLINE_S, Cable, Person, Server, people
from tests.support.loopback import NO_TLS

ROOMS = [f"{number:040}" for number in range(999)]
"""With `general`, as many rooms as one user may have."""
QUICK = ("REQUESTS", "CHANGES")
MISSED = [*range(0, 999, 9)]
"""In which of them something is said during the disconnect."""


@pytest.fixture
def alice(tmp_path: Path) -> Iterator[Person]:
    settings = {f"CHATTERBOX_{name}_{bound}": "100000" for name in QUICK for bound in ("BURST", "PER_S")}
    server = Server(tmp_path / "data", settings=settings | {"CHATTERBOX_ROOMS_PER_DAY": "2000"})
    server.start()
    try:
        with people(tmp_path, server.url, "alice") as (alice,):
            yield alice
    finally:
        server.kill()


class Face:
    """Holds all messages, and can wait for a number of them."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.losses: list[str] = []
        self.welcomes = 0
        self._changed = asyncio.Event()

    def show(self, note: notes.Note) -> None:
        if isinstance(note, notes.MessageShown):
            self.shown.append(note.message.room)
        if isinstance(note, notes.Disconnected):
            self.losses.append(note.why)
        self.welcomes += isinstance(note, notes.WelcomeReceived)
        self._changed.set()

    async def until(self, *, welcomes: int, messages: int) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while self.welcomes < welcomes or len(self.shown) < messages:
                self._changed.clear()
                await self._changed.wait()


def http(alice: Person) -> httpx.AsyncClient:
    session = SessionFile(alice.home / "chatterbox", alice.server).load()
    assert session is not None
    headers = {"Authorization": f"Bearer {session.token}"}
    return httpx.AsyncClient(base_url=alice.server, headers=headers, trust_env=False, verify=NO_TLS)


async def each(api: httpx.AsyncClient, path: str, bodies: list[dict[str, str]]) -> None:
    for begin in range(0, len(bodies), 20):
        answers = await asyncio.gather(*(api.post(path, json=body) for body in bodies[begin : begin + 20]))
        assert {answer.is_success for answer in answers} == {True}, answers[0].text


async def test_client_in_1000_rooms_comes_back_and_gets_what_it_missed(alice: Person) -> None:
    cable = Cable(int(alice.server.rpartition(":")[2]))
    await cable.mend()
    session = SessionFile(alice.home / "chatterbox", alice.server)
    face = Face()
    connection = ChatConnection(cable.url, TokenSource(session), face.show)
    connection.ask_for_held(lambda: {room: HeldMessages(1) for room in ROOMS})
    async with http(alice) as api:
        await each(api, "/rooms", [{"room": room} for room in ROOMS])
        running = asyncio.create_task(connection.run())
        await face.until(welcomes=1, messages=0)
        assert len(connection.state.streams) == Limits().rooms_per_user
        await cable.cut()
        missed = [ROOMS[number] for number in MISSED]
        await each(api, "/messages", [{"room": room, "content": "after"} for room in missed])
        await cable.mend()
        connection.try_now()
        await face.until(welcomes=2, messages=len(missed))
    assert sorted(face.shown) == missed
    assert [why for why in face.losses if SENTENCES[CloseCode.TOO_BIG] in why or "1009" in why] == []
    connection.quit()
    async with asyncio.timeout(DEADLINE_S):
        assert (await running).code is None
    await cable.cut()
