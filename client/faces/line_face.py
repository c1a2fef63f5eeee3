"""The line-based face of `chat`: prints notes as lines, and turns typed lines into requests."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeAlias, assert_never

from chatterbox.wire import frames
from chatterbox.wire.errors import ChatError, Code
from client.config.config_schema import PeopleSettings
from client.context import ClientContext
from client.core import notes
from client.core.client_state import ConnectionPhase
from client.core.direct_rooms import is_direct, peer_of
from client.core.events import (
    AwaySet,
    CommandRequested,
    DeviceUsed,
    KeysAccepted,
    QuitRequested,
    RoomLooked,
    RoomRead,
    RoomRequested,
    SendRequested,
    TypingShared,
    UserTyped,
)
from client.core.message_changes import became_readable
from client.core.outbox_entry import OutboxEntry
from client.encryption.message_encryption import WaitReason
from client.faces.line_output import LineOutput, LoopClock
from client.faces.messages.attention import Attention
from client.faces.messages.printed_messages import PrintedMessages, by_offset
from client.faces.messages.reaction_summary import ReactionSummary
from client.faces.slash.slash_commands import SlashCommands
from client.faces.slash.slash_parser import LocalCommand, UsageMistake, parse
from client.faces.unread_summary import KEPT, UnreadSummary
from client.failures import Failure
from client.net.chat_connection import Connector
from client.store.name_cache import NameCache
from client.text import note_text
from client.text.change_text import changes_of, done_line
from client.text.encryption.encrypted_message_text import encryption_words
from client.text.encryption.encryption_text import UnreadableRun, with_unreadable_runs
from client.text.file_text import summary
from client.text.people_text import unknown_person, whois_lines
from client.text.room_text import shown_room
from client.text.sanitize import inert
from client.text.suggestions import RoomCommand, how_to_confirm, unknown_room, unknown_user
from client.text.unread_text import UnreadRoom, unread_summary_line

WORTH_TRYING_S = 2.0
"""How long a wait before reconnecting is worth a word on how to shorten it (seconds)."""
TRY_NOW = "To try now: /reconnect"

NoteListener: TypeAlias = Callable[[notes.Note, str | None], None]
"""Is called with each note after it was shown, and with the room that is open."""


class LineFace:
    """Shows one room at a time; of the other rooms it keeps unread messages, and prints how many there are.

    `room` is open from the start; the caller requests to join it. `connect` makes the connection that the face shows.
    `marks_read`: whether a person types here, so that what is printed counts as read; if not, the user is away.
    """

    def __init__(
        self,
        context: ClientContext,
        room: str,
        output: LineOutput,
        names: NameCache,
        connect: Connector,
        clock: LoopClock | None = None,
        *,
        marks_read: bool = False,
    ) -> None:
        self.connection = connect(self.show)
        self.room: str | None = room
        self.lost_message = False
        """Whether a typed message will never be sent; it was reported with its text."""
        self.logout_requested = False
        """Whether this session is to be ended after the chat."""
        self._server = context.server
        self._output = output
        self._names = names
        self._clock = clock or LoopClock()
        self._slash_commands = SlashCommands(self, context, names)
        self._unread = UnreadSummary()
        self._attention = Attention(self._clock.now_s()) if marks_read else None
        self._printed = PrintedMessages()
        self.connection.ask_for_held(self._printed.held)
        self._reactions = ReactionSummary()
        self._has_reactions_timer = False
        self._has_unread_timer = False
        self._entered: set[str] = set()
        self._left: set[str] = set()
        self._speakers: dict[str, dict[str, str]] = {}
        self._unknown: RoomCommand | None = None
        """A command whose room the server does not know, while the list of rooms is on its way."""
        self._changed = asyncio.Event()
        self._listeners: list[NoteListener] = []
        self.connection.request(DeviceUsed() if marks_read else AwaySet(True))
        self.use_people(context.config.people)

    def listen(self, listener: NoteListener) -> None:
        """Call `listener` after each note."""
        self._listeners.append(listener)

    @property
    def prompt(self) -> str:
        facts = self._facts()
        where = shown_room(self.room) if self.room else "no room"
        return f"{where} ({', '.join(facts)})> " if facts else f"{where}> "

    def _facts(self) -> list[str]:
        """What is unusual about the connection or the outbox."""
        state = self.connection.state
        facts = [] if state.phase is ConnectionPhase.LIVE else ["offline"]
        return facts + ([f"{state.unsent_count} unsent"] if state.unsent_count else [])

    @property
    def speakers(self) -> Mapping[str, str]:
        """Who spoke in the open room, with the timestamp of their last message."""
        return self._speakers.get(self.room or "", {})

    def show(self, note: notes.Note) -> None:
        """Show a note of the core."""
        self._changed.set()
        self.lost_message = self.lost_message or isinstance(note, notes.SendFailed)
        if self._slash_commands.take(note):
            return
        self._take(note)
        self._schedule_summary()
        for listener in self._listeners:
            listener(note, self.room)

    def _take(self, note: notes.Note) -> None:
        match note:
            case notes.MessageShown(message, mine):
                self._printed.add([message])
                self._show_message(message, mine=mine)
            case notes.WelcomeReceived():
                self._show_welcome(note)
            case notes.RoomEntered(room, messages):
                shown = messages[-KEPT:]
                self._show_room(room, shown, self._unread_before(room, shown))
            case notes.MessageChanged():
                self._show_change(note)
            case notes.CommandAnswered(_, frames.RoomList(rooms=rooms)):
                self._show_rooms(rooms)
            case notes.CommandAnswered(frames.Watch(usernames=(username,)), frames.Watched(people=people)):
                self._show_person(username, people)
            case notes.CommandAnswered(frames.ReadHistory() as asked, frames.Page(messages=messages)):
                self._show_page(asked, messages)
            case notes.CommandAnswered(command, frames.Changed()):
                self._show_done(command)
            case notes.CommandAnswered(_, reply):
                self._print(note)
                self._follow_up(reply)
            case notes.RoomGone(room):
                self._print(note)
                self._remove(room)
            case notes.RoomReset(room):
                self._forget(room)
                self._print(note)
            case notes.DirectRenamed(room):
                self._print(note)
                self._rename(room)
            case notes.SendWaits(_, reason):
                self._print(note)
                if reason is WaitReason.NO_RECOVERY_KEY:
                    self._slash_commands.show_recovery_key()
            case notes.ReadStateTold(room, state):
                self._unread.limit(room, state.unread)
            case notes.CommandRefused():
                self._show_refusal(note)
            case notes.TopicChange(room):
                if room == self.room:
                    self._print(note)
            case notes.Disconnected(retry_s=retry_s):
                self._print(note, f" {TRY_NOW}" if retry_s >= WORTH_TRYING_S else "")
            case (
                notes.PresenceTold()
                | notes.ProfileTold()
                | notes.TypingTold()
                | notes.ReceiptsTold()
                | notes.AwayChanged()
                | notes.TrustTold()
            ):
                pass  # never announced: they would interrupt reading; `/who` and `/whois` tell them
            case (
                notes.Connecting()
                | notes.Reconnecting()
                | notes.CatchingUp()
                | notes.CaughtUp()
                | notes.MessagesMissing()
                | notes.MembershipChange()
                | notes.InvitationReceived()
                | notes.QueuedOffline()
                | notes.SendDelayed()
                | notes.KeysTold()
                | notes.SendStored()
                | notes.SendFailed()
                | notes.ServerError()
                | notes.SessionOver()
            ):
                self._print(note)
            case _:
                assert_never(note)

    async def read(self, lines: AsyncIterator[str]) -> None:
        """Carry out typed lines until they end, or until `/quit`."""
        async for line in lines:
            self._take_attention()
            match parse(line, self.room):
                case SendRequested() as message:
                    self.send_message(message)
                    self._echo_elsewhere(message.room, message.content)
                case CommandRequested() as request:
                    self.connection.request(request)
                case RoomRequested(room):
                    self.open(room)
                case QuitRequested():
                    return
                case LocalCommand() as command:
                    self._slash_commands.carry_out(command)
                case UsageMistake(sentence, is_message):
                    self.lost_message = self.lost_message or is_message
                    self.notice(inert(sentence))
                case None:
                    self._take_blank_line()
                case _ as unexpected:
                    assert_never(unexpected)

    async def until_sent(self, timeout_s: float) -> None:
        """Wait for the acks of unsent messages, `timeout_s` seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.connection.state.unsent_count and self.connection.state.phase is not ConnectionPhase.ENDED:
                    self._changed.clear()
                    await self._changed.wait()

    def open(self, room: str) -> None:
        """Show a room, and join it first if it was not shown before."""
        if room in self._entered:
            dropped = self._unread.dropped(room)
            self._show_room(room, self._unread.take(room), dropped)
        else:
            self.connection.request(RoomRequested(room))

    def _open(self, room: str | None) -> None:
        """Another room is the open one, or none: who types in it is known, for `/who`."""
        self.room = room
        self.connection.request(RoomLooked(room or ""))

    def notice(self, text: str) -> None:
        """Print a notice of the client; `text` is inert."""
        self._output.notice(text)

    def log_out(self) -> None:
        """End the chat, and have this session ended after that."""
        self.logout_requested = True
        self.connection.quit()

    def _print(self, note: notes.Note, more: str = "") -> None:
        """Print the sentence of a note, if it has one, with `more` behind it."""
        if (text := note_text.sentence(note, self._server, self.connection.state.username)) is not None:
            self.notice(text + more)

    def _show_welcome(self, note: notes.WelcomeReceived) -> None:
        """Print the welcome, and what changed since an earlier run; the core reports changes within this run."""
        self._print(note)
        for change in self._names.changes(note.rooms):
            if not note.again:
                self._print(change)
        unread = [UnreadRoom(room.room, room.unread, room.mentions) for room in note.rooms if room.room != self.room]
        if not note.again and (line := unread_summary_line(unread)):
            self.notice(line)

    def use_people(self, settings: PeopleSettings) -> None:
        """The configuration of what others are told changed."""
        self.connection.request(TypingShared(settings.share_typing))

    def take_key(self, text: str) -> None:
        """The input line is `text` now: the user is here, and may be typing a message."""
        self.connection.request(DeviceUsed())
        if self.room is not None and text.strip() and (text.startswith("//") or not text.startswith("/")):
            self.connection.request(UserTyped(self.room))

    def _take_attention(self) -> None:
        """The user is present: what was printed is read."""
        if self._attention is not None:
            self.connection.request(DeviceUsed())
            for room, offset in self._attention.take_line(self._clock.now_s()).items():
                self.connection.request(RoomRead(room, offset))

    def _mark_printed(self, message: frames.Message) -> None:
        """Mark a printed message as read if the user is present."""
        room, offset = message.room, message.at.offset
        if self._attention is not None and self._attention.take_printed(room, offset, self._clock.now_s()):
            self.connection.request(RoomRead(room, offset))

    def _take_blank_line(self) -> None:
        """Enter once more sends a message that waits because keys changed; some faces react otherwise, too."""
        if self.room is not None and self.connection.state.encryption.waits_for_enter(self.room):
            self.connection.request(KeysAccepted(self.room))

    def _report_queued(self, entry: OutboxEntry) -> None:
        """React to a message that was queued, in faces that do."""

    def send_message(self, message: SendRequested) -> None:
        """Send a message, and report one that can't be queued."""
        try:
            sent = self.connection.send(message.room, message.content, message.reply_to, message.files)
            self._report_queued(sent)
        except ChatError as refusal:
            self._report_lost(refusal.detail, summary(message.content, message.files))
        except Failure as failure:
            self._report_lost(str(failure), summary(message.content, message.files))

    def messages_of(self, room: str) -> Sequence[frames.Message]:
        """The messages of a room that can be named by their time, oldest first."""
        return self._printed.of(room)

    def _echo_elsewhere(self, room: str, content: str) -> None:
        """Print what was written to a room that is not shown, for example with `/msg`."""
        if room != self.room:
            self.notice(f"To {shown_room(room)}: {inert(content)}")

    def _report_lost(self, why: str, content: str) -> None:
        self.lost_message = True
        self.notice(note_text.not_sent(why, content))

    def _show_message(self, message: frames.Message, *, mine: bool) -> None:
        self._speakers.setdefault(message.room, {})[message.username] = message.timestamp
        if message.room == self.room:
            self._print_message(message)
            self._mark_printed(message)
        else:
            self._unread.add(message, self._clock.now_s(), mine=mine)

    def _print_message(self, message: frames.Message) -> None:
        self._output.message(message, self._printed.get(message.room, message.reply_to))

    def _show_change(self, note: notes.MessageChanged) -> None:
        """Print what happened to a message that was printed in the open room, and gather reactions to own ones."""
        message, me = note.message, self.connection.state.username
        self._unread.replace(message)
        self._reactions.replace(message)
        if (old := self._printed.replace(message)) is None:
            return
        if message.room == self.room and became_readable(old, message):
            self._print_message(message)
        elif message.room == self.room:
            for sentence in changes_of(old, message, note.by, me):
                self.notice(sentence)
        others = note.by != me or note.did not in {"react", "unreact"}
        if note.mine and others and not message.deleted and old.reactions != message.reactions:
            self._reactions.add(message, self._clock.now_s())
            self._schedule_reactions()

    def _schedule_reactions(self) -> None:
        if not self._has_reactions_timer and (due_s := self._reactions.due_s) is not None:
            self._has_reactions_timer = True
            self._clock.later(max(0.0, due_s - self._clock.now_s()), self._print_reactions)

    def _print_reactions(self) -> None:
        self._has_reactions_timer = False
        if (line := self._reactions.take_due(self._clock.now_s(), self.room)) is not None:
            self.notice(line)
        self._schedule_reactions()

    def _show_done(self, command: frames.Command) -> None:
        """Confirm a change of a message, unless the change itself is printed."""
        if isinstance(command, frames.React) and (line := done_line(command)) is not None:
            self.notice(line)

    def _show_page(self, asked: frames.ReadHistory, messages: Sequence[frames.Message]) -> None:
        """Print pinned messages, or a thread."""
        what = "Pinned" if asked.pinned is True else "Thread"
        self.notice(f"{what} in {shown_room(asked.room)}: {note_text.messages(len(messages))}.")
        for message in messages:
            original = self._printed.get(message.room, message.reply_to)
            self._output.message(message, original or by_offset(messages, message.reply_to))

    def _show_person(self, username: str, people: Sequence[frames.WatchedPerson]) -> None:
        """Print the presence and the profile of a user."""
        if people:
            for line in whois_lines(people[0], datetime.now(UTC)):
                self.notice(line)
            rooms = [room for room, who in self._speakers.items() if people[0].username in who and not is_direct(room)]
            if rooms:
                self.notice(f"Has written in {', '.join(map(shown_room, rooms))}")
        else:
            self.notice(unknown_user(unknown_person(username), username, self._names.names.people))

    def _schedule_summary(self) -> None:
        """Set a timer for the next summary of unread messages."""
        if not self._has_unread_timer and (due_s := self._unread.due_s) is not None:
            self._has_unread_timer = True
            self._clock.later(max(0.0, due_s - self._clock.now_s()), self._print_summary)

    def _print_summary(self) -> None:
        self._has_unread_timer = False
        if counts := self._unread.take_due(self._clock.now_s()):
            self.notice(note_text.new_in(counts))
        self._schedule_summary()

    def _show_room(self, room: str, messages: Iterable[frames.Message], dropped: int = 0) -> None:
        self._open(room)
        self._entered.add(room)
        self._unread.take(room)
        self.notice(f"Now in {shown_room(room)}{self._encryption_words(room)}.")
        if topic := self.connection.state.topics.get(room):
            self.notice(note_text.topic_line(room, topic))
        if dropped:
            self.notice(note_text.not_shown(room, dropped, KEPT))
        for shown in with_unreadable_runs(messages):
            run = shown.messages if isinstance(shown, UnreadableRun) else (shown,)
            if isinstance(shown, UnreadableRun):
                self.notice(shown.line)
            for message in run:
                self._speakers.setdefault(room, {})[message.username] = message.timestamp
                self._printed.add([message])
                if not isinstance(shown, UnreadableRun):
                    self._print_message(message)
                self._mark_printed(message)

    def _encryption_words(self, room: str) -> str:
        state = self.connection.state
        if not is_direct(room):
            return ", encrypted" if state.is_encrypted(room) else ""
        return encryption_words(encrypted=state.is_encrypted(room), is_possible=state.encryption.is_possible)

    def _unread_before(self, room: str, shown: Sequence[frames.Message]) -> int:
        """How many messages are unread before those that are shown, as far as the server tells."""
        state, me = self.connection.state.read_states.get(room), self.connection.state.username
        unread = 0 if state is None else state.unread
        return max(0, unread - sum(message.username != me for message in shown))

    def _show_rooms(self, rooms: list[frames.RoomSummary]) -> None:
        """Print the list of rooms, or use it to suggest the room that was meant."""
        if self._unknown is None:
            for line in note_text.room_lines(rooms):
                self.notice(line)
            return
        command, self._unknown = self._unknown, None
        names = [room.room for room in rooms]
        self.notice(unknown_room(command, command.room, names, left=command.room in self._left))

    def _follow_up(self, reply: frames.Reply) -> None:
        match reply:
            case frames.Created(room=room):
                self.connection.request(RoomRequested(room))
            case frames.Left(room=room) | frames.DeletedRoom(room=room):
                self._remove(room)
            case _:
                pass

    def _remove(self, room: str) -> None:
        self._entered.discard(room)
        self._left.add(room)
        self._forget(room)
        self._unread.take(room)
        if room == self.room:
            self._open(None)
            self.notice("No room open. /join ROOM")

    def _rename(self, room: str) -> None:
        """What was shown of `room` is not encrypted, and has another name from now on."""
        self._forget(room)
        self._unread.take(room)
        self._entered.discard(room)
        if room == self.room:
            self.open(room)

    def _forget(self, room: str) -> None:
        """Drop what is known of the messages of a room."""
        self._printed.forget(room)
        if self._attention is not None:
            self._attention.forget(room)

    def _show_refusal(self, refused: notes.CommandRefused) -> None:
        """Print a refusal, with a suggestion if a name is unknown."""
        match refused:
            case notes.CommandRefused(
                frames.Join()
                | frames.Leave()
                | frames.Invite()
                | frames.Remove()
                | frames.DeleteRoom()
                | frames.SetTopic() as command,
                Code.ROOM_UNKNOWN,
                _,
            ):
                self._unknown = command
                self.connection.request(CommandRequested(frames.ListRooms(id=0)))
            case notes.CommandRefused(frames.Leave(room=room), Code.LAST_MEMBER, detail):
                self.notice(how_to_confirm(detail, room))
            case notes.CommandRefused(
                frames.Invite(username=username) | frames.Remove(username=username), Code.USER_UNKNOWN, detail
            ):
                self.notice(unknown_user(detail, username, self._names.names.people))
            case notes.CommandRefused(frames.Join(room=room), Code.USER_UNKNOWN, detail):
                self.notice(unknown_user(detail, peer_of(room), self._names.names.people))
            case _:
                self._unknown = None
                self._print(refused)
                if refused.code == WaitReason.NO_RECOVERY_KEY:
                    self._slash_commands.show_recovery_key()
        match refused.command:
            case frames.Join(room=room) if room == self.room and room not in self._entered:
                self._open(None)
            case _:
                pass
