"""The face of `chat` in lines: lines in, lines out. It shows notes, and turns what is typed into commands."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from typing import assert_never

from chatterbox.wire import frames
from chatterbox.wire.errors import ChatError, Code
from client.context import ClientContext
from client.core import notes
from client.core.client_state import ConnectionPhase
from client.core.events import CommandRequested, QuitRequested, RoomRequested, SendRequested
from client.core.outbox_entry import OutboxEntry
from client.faces.line_output import LineOutput, LoopClock
from client.faces.slash_commands import SlashCommands
from client.faces.slash_parser import AboutRoom, LocalCommand, UsageMistake, no_such_room, parse
from client.faces.unread_summary import KEPT, UnreadSummary
from client.failures import Failure
from client.net.chat_connection import ChatConnection
from client.store.name_cache import NameCache
from client.text import note_text
from client.text.sanitize import inert, inert_name


class LineFace:
    """Shows one room at a time, at first `room`; of others it says how much is new, and keeps that."""

    def __init__(
        self, place: ClientContext, room: str, paper: LineOutput, known: NameCache, clock: LoopClock | None = None
    ) -> None:
        self.connection: ChatConnection
        self.refresh: Callable[[], None] = lambda: None
        self.notify: Callable[[notes.Note, str | None], None] = lambda _note, _room: None
        self.room: str | None = room
        self._server = place.server
        self._paper = paper
        self._known = known
        self._clock = clock or LoopClock()
        self._performer = SlashCommands(self, place, known)
        self._unread = UnreadSummary()
        self._news_timer = False
        self._entered: set[str] = set()
        self._left: set[str] = set()
        self._heard: dict[str, dict[str, str]] = {}
        self._guessing: AboutRoom | None = None
        self._changed = asyncio.Event()
        self.has_lost = False
        """Whether something that was said will never be sent, which was told with its text."""
        self.logs_out = False
        """Whether somebody wants this session to be ended after the chat."""

    @property
    def prompt(self) -> str:
        facts = self._facts()
        where = f"#{inert_name(self.room)}" if self.room else "no room"
        return f"{where} ({', '.join(facts)})> " if facts else f"{where}> "

    def _facts(self) -> list[str]:
        """What is not as it should be."""
        state = self.connection.state
        facts = [] if state.phase is ConnectionPhase.LIVE else ["offline"]
        return facts + ([f"{state.unsent_count} unsent"] if state.unsent_count else [])

    @property
    def heard(self) -> Mapping[str, str]:
        return self._heard.get(self.room or "", {})

    def show(self, note: notes.Note) -> None:
        """Take a note of the core's."""
        self._changed.set()
        self.has_lost = self.has_lost or isinstance(note, notes.SendFailed)
        self._take(note)
        self._await_news()
        self.notify(note, self.room)
        self.refresh()

    def _take(self, note: notes.Note) -> None:
        match note:
            case notes.MessageShown(message, mine):
                self._said(message, mine=mine)
            case notes.WelcomeReceived():
                self._connected(note)
            case notes.RoomEntered(room, messages):
                self._show_room(room, messages[-KEPT:])
            case notes.CommandAnswered(_, frames.RoomList(rooms=rooms)):
                self._rooms(rooms)
            case notes.CommandAnswered(_, reply):
                self._sentence(note)
                self._follow_up(reply)
            case notes.RoomGone(room):
                self._sentence(note)
                self._lose(room)
            case notes.CommandRefused():
                self._refused(note)
            case notes.MembershipChange(change, mine):
                self._changed_members(change, mine=mine)
            case notes.TopicChange(room, _, by):
                if by != self.connection.state.username and room == self.room:
                    self._sentence(note)
            case _:
                self._sentence(note)

    async def read(self, lines: AsyncIterator[str]) -> None:
        """Do what is typed, until it ends or says so."""
        async for line in lines:
            match parse(line, self.room):
                case SendRequested(room, content):
                    self._say(room, content)
                case CommandRequested() as request:
                    self.connection.request(request)
                case RoomRequested(room):
                    self.go_to(room)
                case QuitRequested():
                    return
                case LocalCommand() as command:
                    self._performer.carry_out(command)
                case UsageMistake(sentence, is_message):
                    self.has_lost = self.has_lost or is_message
                    self.notice(inert(sentence))
                case None:
                    self._nothing_typed()
                case _ as unknown:
                    assert_never(unknown)

    async def until_sent(self, timeout_s: float) -> None:
        """Wait a little for the acks of what was said."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.connection.state.unsent_count and self.connection.state.phase is not ConnectionPhase.OVER:
                    self._changed.clear()
                    await self._changed.wait()

    def go_to(self, room: str) -> None:
        """Show a room, and enter it first if need be."""
        if room in self._entered:
            dropped = self._unread.dropped(room)
            self._show_room(room, self._unread.take(room), dropped)
        else:
            self.connection.request(RoomRequested(room))

    def notice(self, text: str) -> None:
        """Show a word of the client's own; `text` is inert."""
        self._paper.notice(text)

    def log_out(self) -> None:
        """End, and have this session ended after that."""
        self.logs_out = True
        self.connection.quit()

    def _sentence(self, note: notes.Note) -> None:
        if (text := note_text.sentence(note, self._server)) is not None:
            self.notice(text)

    def _connected(self, note: notes.WelcomeReceived) -> None:
        """Say also what is other than in an earlier run; what changes in this one, the core tells."""
        self._sentence(note)
        for change in self._known.changes(note.rooms):
            if not note.again:
                self._sentence(change)

    def _nothing_typed(self) -> None:
        """An empty line: for faces that have an answer to it."""

    def _wrote(self, entry: OutboxEntry) -> None:
        """A typed message is in the outbox: for faces that report it."""

    def _say(self, room: str, content: str) -> None:
        try:
            self._wrote(self.connection.send(room, content))
        except ChatError as refusal:
            self._not_sent(refusal.detail, content)
        except Failure as failure:
            self._not_sent(str(failure), content)

    def _not_sent(self, why: str, content: str) -> None:
        self.has_lost = True
        self.notice(f"{note_text.NOT_SENT}: {inert(why)} It was: {inert(content)}")

    def _said(self, message: frames.Message, *, mine: bool) -> None:
        self._heard.setdefault(message.room, {})[message.username] = message.timestamp
        if message.room == self.room:
            self._paper.message(message)
        else:
            self._unread.add(message, self._clock.now_s(), mine=mine)

    def _await_news(self) -> None:
        """Come back when there is something to say of other rooms."""
        if not self._news_timer and (due_s := self._unread.due_s) is not None:
            self._news_timer = True
            self._clock.later(max(0.0, due_s - self._clock.now_s()), self._tell_news)

    def _tell_news(self) -> None:
        self._news_timer = False
        if counts := self._unread.say(self._clock.now_s()):
            self.notice(note_text.new_in(counts))
        self._await_news()

    def _show_room(self, room: str, messages: Iterable[frames.Message], dropped: int = 0) -> None:
        self.room = room
        self._entered.add(room)
        self._unread.take(room)
        self.notice(f"This is #{inert_name(room)}.")
        if topic := self.connection.state.topics.get(room):
            self.notice(note_text.topic_line(room, topic))
        if dropped:
            self.notice(note_text.not_shown(room, dropped, KEPT))
        for message in messages:
            self._heard.setdefault(room, {})[message.username] = message.timestamp
            self._paper.message(message)

    def _rooms(self, rooms: list[frames.RoomSummary]) -> None:
        if self._guessing is None:
            for line in note_text.room_lines(rooms):
                self.notice(line)
            return
        command, self._guessing = self._guessing, None
        self.notice(no_such_room(command, [room.room for room in rooms], left=command.room in self._left))

    def _follow_up(self, reply: frames.Reply) -> None:
        match reply:
            case frames.Created(room=room):
                self.connection.request(RoomRequested(room))
            case frames.Left(room=room):
                self._lose(room)

    def _lose(self, room: str) -> None:
        self._entered.discard(room)
        self._left.add(room)
        self._unread.take(room)
        if room == self.room:
            self.room = None
            self.notice("You are in no room now: /join ROOM goes into one.")

    def _changed_members(self, change: frames.Membership, *, mine: bool) -> None:
        """Say who came and left; what one did oneself has its reply."""
        own_doing = change.by == self.connection.state.username or (mine and change.by is None)
        if mine and change.member and not own_doing:
            room = inert_name(change.room)
            self.notice(f"{inert_name(change.by or '')} invited you to #{room}. To go there: /join {room}")
        elif not own_doing:
            self._sentence(notes.MembershipChange(change, mine))

    def _refused(self, refused: notes.CommandRefused) -> None:
        """A command that failed: guess which name was meant."""
        match refused:
            case notes.CommandRefused(
                frames.Join() | frames.Leave() | frames.Invite() | frames.SetTopic() as command, Code.ROOM_UNKNOWN, _
            ):
                self._guessing = command
                self.connection.request(CommandRequested(frames.ListRooms(id=0)))
            case notes.CommandRefused(frames.Invite(username=username), Code.USER_UNKNOWN, detail):
                guess = note_text.meant(username, list(self._known.names.people))
                self.notice(inert(detail) + (f" Did you mean {inert_name(guess)}?" if guess else ""))
            case _:
                self._guessing = None
                self._sentence(refused)
        match refused.command:
            case frames.Join(room=room) if room == self.room and room not in self._entered:
                self.room = None
