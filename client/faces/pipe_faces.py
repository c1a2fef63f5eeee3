"""The faces for scripts: `send` puts lines in, `tail` takes messages out."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import msgspec

from chatterbox.wire import frames
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position
from client.core import notes
from client.core.events import CommandRequested
from client.faces.line_timeline import LineTimeline
from client.failures import ExitCode, Failure, NotLoggedIn, ServerRefused, Unreachable, unreachable
from client.net.chat_connection import ChatConnection
from client.text import note_text
from client.text.sanitize import inert, inert_name
from client.text.session_ended import BY_CLOSE_CODE

AHEAD = 1000
"""Messages that may wait in the outbox before more of the input is read."""


class SendFace:
    """`send`: every line of the input is a message; it is done when the server has stored them all."""

    def __init__(
        self, server: str, room: str, tell: Callable[[str], None], timeout_s: float, *, is_known: bool = False
    ) -> None:
        """`is_known`: the server has shown the room before."""
        self.connection: ChatConnection
        self._server = server
        self._room = room
        self._tell = tell
        self._timeout_s = timeout_s
        self._is_known = is_known
        self._own: set[str] = set()
        self._failed = False
        self._asked = self._answered = False
        """Whether it was asked why the room takes nothing, and was told."""
        self._moved = asyncio.Event()

    def show(self, note: notes.Note) -> None:
        match note:
            case notes.SendStored(entry):
                self._own.discard(entry.key)
                self._moved.set()
            case notes.SendFailed(entry, code):
                self._failed = self._failed or entry.key in self._own
                if code in {Code.ROOM_UNKNOWN, Code.NOT_A_MEMBER} and entry.room == self._room and not self._asked:
                    self._asked = True
                    self.connection.request(CommandRequested(frames.ListRooms(id=0)))
                self._own.discard(entry.key)
                self._moved.set()
                self._tell(note_text.sentence(note, self._server) or "")
            case notes.CommandAnswered(_, frames.RoomList(rooms=listed)):
                self._tell(why_not_in(self._room, listed, left=self._is_known))
                self._answered = True
                self._moved.set()
            case notes.CommandRefused():
                self._answered = True
                self._moved.set()
            case notes.Disconnected(known=False) | notes.WelcomeReceived(again=True) | notes.ServerError():
                self._tell(note_text.sentence(note, self._server) or "")

    async def send(self, lines: AsyncIterator[str]) -> ExitCode:
        """Send what comes, and return when all of it is acked or refused."""
        number = 0
        async for line in lines:
            number += 1
            if line.strip():
                self._say(line, number)
                await self._until(lambda: self.connection.state.unsent_count < AHEAD)
        await self._until(lambda: not self.connection.state.unsent_count and self._asked == self._answered)
        return ExitCode.REFUSED if self._failed else ExitCode.OK

    def _say(self, content: str, number: int) -> None:
        try:
            self._own.add(self.connection.send(self._room, content).key)
        except ChatError as refusal:
            self._failed = True
            self._tell(f"Line {number} was NOT SENT: {inert(refusal.detail)} It was: {inert(content[:200])}")

    async def _until(self, done: Callable[[], bool]) -> None:
        """Wait for the server, as long as it goes on at all."""
        while not done():
            self._moved.clear()
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._moved.wait()
            except TimeoutError:
                raise Unreachable(self._gave_up()) from None

    def failure_of(self, ended: notes.SessionOver) -> Failure | None:
        """What it means that the connection ended before all was sent."""
        failure = failure_of(ended)
        return failure and type(failure)(f"{failure}{self._kept()}")

    def _gave_up(self) -> str:
        return f"{self._server} took nothing for {self._timeout_s:g} s.{self._kept()}"

    def _kept(self) -> str:
        """What nobody has to type again, as a further sentence; empty if there is nothing."""
        if not (count := self.connection.state.unsent_count):
            return ""
        are = "is" if count == 1 else "are"
        return f" {note_text.messages(count)} {are} kept in the outbox and will go out with the next chat or send."


class TailFace:
    """`tail`: prints every message of its rooms, once and in order, over as many connections as it takes.

    `save` is called with the positions to go on from, each after its line was printed.
    """

    def __init__(
        self,
        server: str,
        rooms: Sequence[str],
        *,
        out: Callable[[str], None],
        tell: Callable[[str], None],
        timeline: LineTimeline | None,
        count: int | None,
        save: Callable[[Mapping[str, Position]], None] = lambda _: None,
    ) -> None:
        self.connection: ChatConnection
        self.failure: Failure | None = None
        self._server = server
        self._rooms = rooms
        self._out = out
        self._tell = tell
        self._timeline = timeline
        self._left = count
        self._save = save
        self._missing = ""
        self._was_in = False
        """Whether one was in the room that is missing."""

    def show(self, note: notes.Note) -> None:
        match note:
            case notes.MessageShown(message, _) if message.room in self._rooms:
                self._print(message)
            case notes.WelcomeReceived(rooms=rooms):
                self._connected(note, {room.room for room in rooms})
            case notes.RoomGone(room) if room == self._missing:
                self._was_in = True
            case notes.RoomGone(room) if room in self._rooms:
                self._fail(ServerRefused(note_text.sentence(note, self._server) or ""))
            case notes.CommandAnswered(_, frames.RoomList(rooms=listed)):
                self._fail(ServerRefused(why_not_in(self._missing, listed, left=self._was_in)))
            case notes.CommandRefused(_, _, detail):
                self._fail(ServerRefused(detail))
            case notes.Disconnected() if self.connection.state.connection == 0:
                self._fail(unreachable(self._server, inert(note.why)))
            case notes.RoomReset(room, at) if room in self._rooms:
                self._tell(note_text.sentence(note, self._server) or "")
                self._save({room: at})
            case notes.Disconnected(known=False) | notes.MessagesMissing() | notes.ServerError():
                self._tell(note_text.sentence(note, self._server) or "")

    def _connected(self, note: notes.WelcomeReceived, rooms: set[str]) -> None:
        """Note where each room begins, so that nothing is missed if it is killed before the first line."""
        if note.again:
            self._tell(note_text.sentence(note, self._server) or "")
        streams = self.connection.state.streams
        self._save({room: streams[room].at for room in self._rooms if room in streams})
        if missing := [room for room in self._rooms if room not in rooms]:
            self._missing = missing[0]
            self.connection.request(CommandRequested(frames.ListRooms(id=0)))

    def _print(self, message: frames.Message) -> None:
        if self._left == 0:
            return
        for line in self._timeline.message(message) if self._timeline else [as_json(message)]:
            self._out(line)
        self._save({message.room: message.at})
        if self._left is not None:
            self._left -= 1
            if not self._left:
                self.connection.quit()

    def _fail(self, failure: Failure) -> None:
        self.failure = self.failure or failure
        self.connection.quit()


def as_json(message: frames.Message) -> str:
    """The message frame as one line. ASCII: safe to look at, and the same to every JSON reader."""
    return json.dumps(msgspec.to_builtins(message))


def why_not_in(room: str, rooms: list[frames.RoomSummary], *, left: bool = False) -> str:
    """Say why a room can't be read: one has to join it, or there is none; `left`: one was in it."""
    names = [summary.room for summary in rooms]
    if room in names:
        return f"You are not in #{inert_name(room)}. To join it: chatterbox join {inert_name(room)}"
    return note_text.no_such_room(room, names, join="chatterbox join", create="chatterbox create", left=left)


def failure_of(ended: notes.SessionOver) -> Failure | None:
    """What an end means to the one who started the command; None if it was their wish."""
    if ended.code is None:
        return None
    return NotLoggedIn(ended.why) if ended.code in BY_CLOSE_CODE else ServerRefused(ended.why)
