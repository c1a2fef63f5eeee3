"""A line-based face without a terminal, a server or a clock, which records what it prints and requests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC
from pathlib import Path

from chatterbox.wire import text_rules
from chatterbox.wire.frames import AttachedFile
from client.context import ClientContext
from client.core import events, notes
from client.core.client_state import ClientState, ConnectionPhase
from client.core.outbox_entry import OutboxEntry
from client.core.reducer import reduce
from client.faces.line_face import LineFace
from client.faces.line_output import LineOutput, LoopClock
from client.faces.line_timeline import LineTimeline
from client.net.chat_connection import ChatConnection
from client.store.name_cache import NameCache


class Recorder(ChatConnection):
    """A connection that only writes down what it is asked for."""

    def __init__(self) -> None:
        self.state = ClientState(phase=ConnectionPhase.LIVE, username="alice")
        self.done: list[object] = []
        self.requested = asyncio.Event()
        self.people: list[events.Request] = []
        """What was told of the screen and of who sits before it."""
        self.read: list[tuple[str, int]] = []
        """What was reported as read: room and offset."""
        self.refusal: Exception | None = None

    def send(self, room: str, content: str, reply_to: int = 0, files: tuple[AttachedFile, ...] = ()) -> OutboxEntry:
        if self.refusal:
            raise self.refusal
        said = (room, content, reply_to) if reply_to else (room, content)
        self.done.append((*said, files) if files else said)
        return OutboxEntry(f"{room} {content}", room, content, reply_to, files=files)

    def edit_unsent(self, key: str, text: str) -> OutboxEntry | None:
        (entry,) = (entry for waiting in self.state.unsent.values() for entry in waiting if entry.key == key)
        text_rules.content(text, self.state.limits)
        self.state, _ = reduce(self.state, events.EntryEdited(key, text))
        return entry

    def try_now(self) -> None:
        self.done.append("try now")

    def request(self, request: events.Request) -> None:
        match request:
            case events.SendRequested(room, content, reply_to, files):
                self.send(room, content, reply_to, files)
            case events.CommandRequested(command):
                self.done.append(command)
            case events.RoomRequested(room):
                self.done.append(f"enter {room}")
            case events.RoomRead(room, offset):
                self.read.append((room, offset))
            case events.QuitRequested():
                self.done.append("quit")
            case _:
                self.people.append(request)
        self.requested.set()


class Face:
    """One of the faces in lines, in #general; `wait` lets time pass."""

    def __init__(
        self, home: Path, kind: type[LineFace] = LineFace, *, echoed: bool = False, reads: bool = False
    ) -> None:
        self.shown: list[str] = []
        self._more = asyncio.Event()
        self.now_s = 0.0
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self.known = NameCache(home / "known.json")
        output = LineOutput(LineTimeline(zone=UTC), self._print, self._print, echoed=echoed)
        self.connection = Recorder()
        self.lines = kind(
            ClientContext("http://x", home),
            "general",
            output,
            self.known,
            lambda _: self.connection,
            LoopClock(lambda: self.now_s, self._later),
            marks_read=reads,
        )
        self.lines.show(notes.RoomEntered("general", ()))
        self.shown.clear()

    def _print(self, line: str) -> None:
        self.shown.append(line)
        self._more.set()

    async def until_shown(self, text: str) -> None:
        async with asyncio.timeout(5):
            while not any(text in line for line in self.shown):
                self._more.clear()
                await self._more.wait()

    async def until_requested(self, request: object) -> None:
        await self.until(lambda: request in self.connection.done)

    async def until(self, done: Callable[[], bool]) -> None:
        """Wait until this is so; it is looked at after each line and each request."""
        async with asyncio.timeout(5):
            while not done():
                self._more.clear()
                self.connection.requested.clear()
                waits = [asyncio.create_task(event.wait()) for event in (self._more, self.connection.requested)]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for wait in waits:
                    wait.cancel()

    def _later(self, after_s: float, do: Callable[[], None]) -> None:
        self._timers.append((self.now_s + after_s, do))

    def wait(self, for_s: float) -> list[str]:
        """Let so much time pass; return what was shown meanwhile."""
        self.shown.clear()
        until_s = self.now_s + for_s
        while due := sorted((timer for timer in self._timers if timer[0] <= until_s), key=lambda timer: timer[0]):
            self._timers.remove(due[0])
            self.now_s, do = due[0]
            do()
        self.now_s = until_s
        return list(self.shown)

    async def type(self, *typed: str) -> list[object]:
        async def lines() -> AsyncIterator[str]:
            for line in typed:
                yield line

        await self.lines.read(lines())
        return self.connection.done

    def show(self, *shown: notes.Note) -> list[str]:
        self.shown.clear()
        for note in shown:
            self.lines.show(note)
        return list(self.shown)
