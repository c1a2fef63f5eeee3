"""The plain face of `chat`: lines in, lines out. It shows notes, and turns what is typed into commands."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress

from chatterbox.wire import frames
from chatterbox.wire.errors import ChatError, Code
from client import notes, words
from client.connection import Connection
from client.faces.slash import Call, Mistake, Say, help_lines, parse
from client.faces.timeline import Timeline
from client.failures import Failure
from client.inert import inert
from client.state import Phase

RECENT = 20
"""Messages shown on entering a room, and kept of each other room that was entered."""


class Lines:
    """Shows one room at a time, at first `room`; of others it says that there is something new, and keeps that."""

    def __init__(
        self, server: str, room: str, timeline: Timeline, *, out: Callable[[str], None], tell: Callable[[str], None]
    ) -> None:
        self.connection: Connection
        self.refresh: Callable[[], None] = lambda: None
        self.notify: Callable[[notes.Note, str | None], None] = lambda _note, _room: None
        self.room: str | None = room
        self._server = server
        self._timeline = timeline
        self._out = out
        self._tell = tell
        self._unread: dict[str, deque[frames.Message]] = {}
        self._entered: set[str] = set()
        self._heard: dict[str, dict[str, str]] = {}
        self._guessing: str | None = None
        self._changed = asyncio.Event()

    @property
    def prompt(self) -> str:
        state = self.connection.state
        where = f"#{inert(self.room)}" if self.room else "no room"
        facts = [] if state.phase is Phase.LIVE else ["offline"]
        facts += [f"{state.unsent_count} unsent"] if state.unsent_count else []
        return f"{where} ({', '.join(facts)})> " if facts else f"{where}> "

    def show(self, note: notes.Note) -> None:
        """Take a note of the core's."""
        self._changed.set()
        self._take(note)
        self.notify(note, self.room)
        self.refresh()

    def _take(self, note: notes.Note) -> None:
        match note:
            case notes.Said(message, mine):
                self._said(message, mine=mine)
            case notes.Entered(room, messages):
                self._show_room(room, messages[-RECENT:])
            case notes.Answered(_, frames.RoomList(rooms=rooms)):
                self._rooms(rooms)
            case notes.Answered(_, reply):
                self._notice(words.sentence(note, self._server))
                self._follow_up(reply)
            case notes.Gone(room):
                self._notice(words.sentence(note, self._server))
                self._lose(room)
            case notes.Refused(frames.Join(room=room), code, _):
                self._not_in(room, code, words.sentence(note, self._server))
            case notes.Changed(change, mine):
                self._changed_members(change, mine=mine)
            case _:
                self._notice(words.sentence(note, self._server))

    async def read(self, lines: AsyncIterator[str]) -> None:
        """Do what is typed, until it ends or says so."""
        async for line in lines:
            match parse(line):
                case Say(content):
                    self._say(content)
                case Mistake(sentence):
                    self._notice(inert(sentence))
                case Call("quit", _):
                    return
                case Call(name, arguments):
                    self._call(name, arguments)

    async def until_sent(self, timeout_s: float) -> None:
        """Wait a little for the acks of what was said."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.connection.state.unsent_count and self.connection.state.phase is not Phase.OVER:
                    self._changed.clear()
                    await self._changed.wait()

    def _say(self, content: str) -> None:
        if self.room is None:
            self._notice("You are in no room: /join ROOM, or /rooms to see which there are.")
            return
        try:
            self.connection.say(self.room, content)
        except ChatError as refusal:
            self._notice(f"NOT SENT: {inert(refusal.detail)} It was: {inert(content)}")
        except Failure as failure:
            self._notice(f"NOT SENT: {inert(str(failure))} It was: {inert(content)}")

    def _call(self, name: str, arguments: tuple[str, ...]) -> None:
        match name, arguments:
            case "join", (room,):
                self._join(room)
            case "leave", rest:
                self._leave(rest[0].lstrip("#") if rest else self.room)
            case "rooms", _:
                self.connection.ask(frames.Rooms(id=0))
            case "create", (room, *rest):
                self.connection.ask(frames.Create(id=0, room=room.lstrip("#"), private=rest == ["private"]))
            case "invite", (username,):
                self._invite(username)
            case "who", _:
                self._who()
            case "status", _:
                self._status()
            case _:
                self._notices(help_lines())

    def _join(self, room: str) -> None:
        room = room.removeprefix("#").casefold()
        if room in self._entered:
            self._show_room(room, list(self._unread.get(room, ())))
        else:
            self.connection.enter(room)

    def _leave(self, room: str | None) -> None:
        if room is None:
            self._notice("You are in no room; /leave ROOM names one.")
        else:
            self.connection.ask(frames.Leave(id=0, room=room))

    def _invite(self, username: str) -> None:
        if self.room is None:
            self._notice("You are in no room to which somebody could be invited.")
        else:
            self.connection.ask(frames.Invite(id=0, room=self.room, username=username.removeprefix("@")))

    def _who(self) -> None:
        heard = self._heard.get(self.room or "", {})
        names = [f"{inert(name)} ({words.clock(timestamp)})" for name, timestamp in sorted(heard.items())]
        self._notice(f"Heard here: {', '.join(names)}." if names else "Nobody has been heard here yet.")

    def _status(self) -> None:
        state = self.connection.state
        self._notice(
            f"You are {inert(state.username) or 'not connected yet'}, at {inert(self._server)}, {state.phase}. "
            f"Not sent yet: {state.unsent_count}."
        )

    def _said(self, message: frames.Message, *, mine: bool) -> None:
        self._hear(message)
        if message.room == self.room:
            self._print(self._timeline.message(message))
            return
        unread = self._unread.setdefault(message.room, deque(maxlen=RECENT))
        if not unread and not mine:
            room = inert(message.room)
            self._notice(f"New in #{room}. To read it: /join {room}")
        unread.append(message)

    def _hear(self, message: frames.Message) -> None:
        self._heard.setdefault(message.room, {})[message.username] = message.timestamp

    def _show_room(self, room: str, messages: Iterable[frames.Message]) -> None:
        self.room = room
        self._entered.add(room)
        self._unread.pop(room, None)
        self._notice(f"This is #{inert(room)}.")
        for message in messages:
            self._hear(message)
            self._print(self._timeline.message(message))

    def _rooms(self, rooms: list[frames.RoomSummary]) -> None:
        if self._guessing is None:
            self._notices(words.room_lines(rooms))
            return
        name, self._guessing = self._guessing, None
        self._notice(words.no_such_room(name, [room.room for room in rooms], join="/join", create="/create"))

    def _follow_up(self, reply: frames.Reply) -> None:
        match reply:
            case frames.Created(room=room):
                self.connection.enter(room)
            case frames.Left(room=room):
                self._lose(room)

    def _lose(self, room: str) -> None:
        self._entered.discard(room)
        if room == self.room:
            self.room = None
            self._notice("You are in no room now: /join ROOM goes into one.")

    def _changed_members(self, change: frames.Membership, *, mine: bool) -> None:
        """Say who came and left; what one did oneself has its reply."""
        own_doing = change.by == self.connection.state.username or (mine and change.by is None)
        if mine and change.member and not own_doing:
            room = inert(change.room)
            self._notice(f"{inert(change.by or '')} invited you to #{room}. To go there: /join {room}")
        elif not own_doing:
            self._notice(words.sentence(notes.Changed(change, mine), self._server))

    def _not_in(self, room: str, code: str, sentence: str | None) -> None:
        """A room that can't be entered: guess which one was meant."""
        if code == Code.ROOM_UNKNOWN:
            self._guessing = room
            self.connection.ask(frames.Rooms(id=0))
        else:
            self._notice(sentence)
        if room == self.room and room not in self._entered:
            self.room = None

    def _notices(self, texts: Iterable[str]) -> None:
        for text in texts:
            self._notice(text)

    def _notice(self, text: str | None) -> None:
        if text:
            for line in self._timeline.notice(text):
                self._tell(line)

    def _print(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._out(line)
