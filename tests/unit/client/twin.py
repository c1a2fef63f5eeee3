"""A scripted server on real sockets, for the client's tests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self, TypeVar

from websockets.asyncio.server import ServerConnection, serve

from chatterbox.wire import codec, frames
from chatterbox.wire.limits import Limits
from client.core import notes
from client.core.client_state import ClientState
from client.net.chat_connection import ChatConnection
from client.net.token_source import TokenSource
from client.store.outbox import Outbox
from client.store.session_file import SavedSession, SessionFile
from tests.unit.client.world import room_state, welcome

DEADLINE_S = 5.0
Frame = TypeVar("Frame")
Script = Callable[["Line"], Awaitable[None]]


class Line:
    """The server's end of one connection."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket

    async def expect(self, kind: type[Frame]) -> Frame:
        """The next frame, which must be of this kind. What the client tells of its screen is passed over."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                command = codec.decode_command(await self.socket.recv(decode=False))
                if isinstance(command, kind):
                    return command
                assert isinstance(command, frames.Hint | frames.Watch), command

    async def say(self, *said: frames.ServerFrame) -> None:
        for frame in said:
            await self.socket.send(codec.encode(frame), text=True)

    async def greet(self, *rooms: frames.RoomState) -> frames.Connect:
        connect = await self.expect(frames.Connect)
        await self.say(welcome(*(rooms or (room_state(0),))))
        return connect

    async def commands(self) -> AsyncIterator[frames.Command]:
        """Every frame that still comes, until the client goes."""
        async for frame in self.socket:
            yield codec.decode_command(frame if isinstance(frame, bytes) else frame.encode())

    async def stay(self) -> None:
        await self.socket.wait_closed()

    async def all_read(self) -> None:
        """Wait until the client has received everything that was said: its pong comes after that."""
        async with asyncio.timeout(DEADLINE_S):
            await (await self.socket.ping())

    async def cut(self) -> None:
        """End it as a broken line does, without a close frame."""
        self.socket.transport.abort()


@asynccontextmanager
async def twin(*scripts: Script, frame_bytes: int = Limits().frame_bytes) -> AsyncIterator[str]:
    """A server that does with its first connection what the first script says, and so on; yields its address.

    A script that fails makes the test fail. It closes a connection that sends a larger frame with code 1009.
    """
    waiting = list(scripts)
    failures: list[BaseException] = []

    async def serve_one(socket: ServerConnection) -> None:
        try:
            await waiting.pop(0)(Line(socket))
        except BaseException as failure:
            failures.append(failure)
            raise

    async with serve(serve_one, "127.0.0.1", 0, max_size=frame_bytes) as server:
        yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
    for failure in failures:
        raise failure
    assert not waiting, "not every script was reached"


class Person:
    """Somebody at a connection: what they are shown, and a way to wait for it."""

    def __init__(self, server: str, home: Path, *, outbox: bool = True, state: ClientState | None = None) -> None:
        file = SessionFile(home, server)
        file.save(SavedSession(server, "alice", "secret-token", "s", expires_at=4e9, lifetime_s=100))
        self.outbox = Outbox(home / "outbox.sqlite3") if outbox else None
        self.shown: list[notes.Note] = []
        self._more = asyncio.Event()
        self.connection = ChatConnection(server, TokenSource(file), self.show, outbox=self.outbox, state=state)

    async def __aenter__(self) -> Self:
        self.running = asyncio.create_task(self.connection.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.connection.quit()
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self.running
        finally:
            if self.outbox is not None:
                self.outbox.close()

    def show(self, note: notes.Note) -> None:
        self.shown.append(note)
        self._more.set()

    async def until(self, seen: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not seen():
                self._more.clear()
                await self._more.wait()

    async def see(self, kind: type[Frame], times: int = 1) -> list[Frame]:
        """Wait until notes of this kind were shown so many times; return them."""
        await self.until(lambda: len(self.all(kind)) >= times)
        return self.all(kind)

    def all(self, kind: type[Frame]) -> list[Frame]:
        return [note for note in self.shown if isinstance(note, kind)]

    @property
    def heard(self) -> list[int]:
        return [note.message.at.offset for note in self.all(notes.MessageShown)]
