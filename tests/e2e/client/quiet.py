"""A minimal server with one room, for tests of the terminal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chatterbox.wire import frames
from chatterbox.wire.position import Position
from client.store.session_file import SavedSession, SessionFile
from tests.e2e.client.multiplexer import Tmux, tmux
from tests.e2e.client.people import Person
from tests.unit.client.twin import Line, twin
from tests.unit.client.world import room_state

MESSAGE = "first message"


class Quiet:
    """`say` sends a message to every connection."""

    def __init__(self) -> None:
        self._offset = 0
        self._lines: list[Line] = []

    async def answer(self, line: Line) -> None:
        await line.greet(room_state(0))
        self._lines.append(line)
        async for command in line.commands():
            match command:
                case frames.Join(id=number, room=room):
                    at = Position("e1", 0)
                    await line.say(frames.Joined(id=number, room=room, at=at, messages=[], complete=True))
                    await self.say(MESSAGE)
                case frames.ListRooms(id=number):
                    await line.say(frames.RoomList(id=number, rooms=[]))
                case frames.Ping(id=number):
                    await line.say(frames.Pong(id=number))

    async def say(self, content: str) -> None:
        self._offset += 1
        message = frames.Message(
            room="general",
            at=Position("e1", self._offset),
            message_id=self._offset,
            username="bob",
            content=content,
            timestamp="2026-11-23T10:00:00.000Z",
        )
        for line in self._lines:
            await line.say(message)


@asynccontextmanager
async def quiet_terminal(tmp_path: Path, **variables: str) -> AsyncIterator[tuple[Tmux, Quiet]]:
    """A shell in tmux of a user who is logged in at a quiet server."""
    quiet = Quiet()
    async with twin(quiet.answer) as server:
        person = Person(tmp_path / "alice", server, "alice", variables)
        session = SavedSession(server, "alice", "secret-token", "s", expires_at=4e9, lifetime_s=100)
        SessionFile(person.home / "chatterbox", server).save(session)
        with tmux(person, tmp_path) as terminal:
            yield terminal, quiet
