"""The faces for scripts: `send` reads messages from the input, `tail` prints messages."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import assert_never

import msgspec

from chatterbox.wire import frames
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position, ResumePoint
from client.core import notes
from client.core.direct_rooms import is_direct
from client.core.events import AwaySet, CommandRequested
from client.core.message_changes import HeldMessages
from client.core.outbox_entry import OutboxEntry
from client.encryption.core.trust import DecryptedMessage
from client.encryption.message_encryption import WaitReason
from client.faces.line_timeline import LineTimeline
from client.failures import ExitCode, Failure, NotLoggedIn, ServerRefused, Unreachable, unreachable
from client.net.chat_connection import Connector
from client.text import note_text
from client.text.change_text import change_line
from client.text.sanitize import inert, inert_name
from client.text.session_ended import BY_CLOSE_CODE
from client.text.suggestions import why_not_in

PRINTED_LIMIT = 10_000
"""Messages of which `tail --changes` remembers how they were printed, so that no change is printed twice."""
KEY_CHANGES = {WaitReason.KEYS_CHANGED, WaitReason.VERIFIED_KEYS_CHANGED}
QUEUE_LIMIT = 1000
"""Messages that may wait in the outbox before more of the input is read."""


class SendFace:
    """`send`: every line of the input is a message; it ends when the server has stored or refused them all.

    `report` prints a line about the run. `timeout_s`: how long the server may make no progress (seconds).
    `is_known`: the server listed the room before. `reply_to`: the offset of the message that they answer; 0: none.
    `files`: uploaded files of every message; then it may be empty.
    """

    def __init__(
        self,
        server: str,
        room: str,
        report: Callable[[str], None],
        timeout_s: float,
        connect: Connector,
        *,
        is_known: bool = False,
        reply_to: int = 0,
        files: tuple[frames.AttachedFile, ...] = (),
    ) -> None:
        self.connection = connect(self.show)
        self._server = server
        self._room = room
        self._report = report
        self._timeout_s = timeout_s
        self._is_known = is_known
        self._reply_to = reply_to
        self._files = files
        self._own: set[str] = set()
        """Keys of the messages of this run; the outbox may hold others."""
        self._failed = False
        self._waits: WaitReason | None = None
        """Why a message of this run can't be encrypted now."""
        self._asked = self._answered = False
        """Whether the list of rooms was requested, to explain a refusal, and whether it arrived."""
        self._progress = asyncio.Event()
        self.connection.request(AwaySet(True))  # a script that sends shows no one as online

    def show(self, note: notes.Note) -> None:
        match note:
            case notes.SendStored(entry):
                self._own.discard(entry.key)
                self._progress.set()
            case notes.SendFailed(entry, code):
                self._failed = self._failed or entry.key in self._own
                if code in {Code.ROOM_UNKNOWN, Code.NOT_A_MEMBER} and entry.room == self._room and not self._asked:
                    self._asked = True
                    self.connection.request(CommandRequested(frames.ListRooms(id=0)))
                self._own.discard(entry.key)
                self._progress.set()
                self._print(note)
            case notes.CommandAnswered(_, reply):
                if isinstance(reply, frames.RoomList):
                    self._report(why_not_in(self._room, reply.rooms, left=self._is_known))
                    self._answered = True
                    self._progress.set()
            case notes.CommandRefused():
                self._answered = True
                self._progress.set()
            case notes.WelcomeReceived(again=again):
                if again:
                    self._print(note)
            case notes.SendWaits(entry):
                self._take_waiting(note, entry)
            case notes.Disconnected() | notes.ServerError() | notes.DirectRenamed() | notes.KeysTold():
                self._print(note)
            case (
                notes.Connecting()
                | notes.Reconnecting()
                | notes.CatchingUp()
                | notes.CaughtUp()
                | notes.MessageChanged()
                | notes.MessageShown()
                | notes.RoomEntered()
                | notes.RoomReset()
                | notes.MessagesMissing()
                | notes.RoomGone()
                | notes.MembershipChange()
                | notes.InvitationReceived()
                | notes.ReadStateTold()
                | notes.PresenceTold()
                | notes.ProfileTold()
                | notes.TypingTold()
                | notes.ReceiptsTold()
                | notes.AwayChanged()
                | notes.TopicChange()
                | notes.QueuedOffline()
                | notes.SendDelayed()
                | notes.SessionOver()
            ):
                pass
            case _:
                assert_never(note)

    def _take_waiting(self, note: notes.SendWaits, entry: OutboxEntry) -> None:
        """A message can't be encrypted now: it stays in the outbox, as a person has to do something first."""
        self._print(note)
        self._waits = note.reason
        self._own.discard(entry.key)
        self._progress.set()

    async def send(self, lines: AsyncIterator[str]) -> ExitCode:
        """Send the lines, and return when all of them are acknowledged or refused."""
        number = 0
        async for line in lines:
            number += 1
            if line.strip() or self._files:
                self._send_line(line, number)
                await self._until(lambda: self.connection.state.unsent_count < QUEUE_LIMIT or self._waits is not None)
            if self._waits is not None:
                break
        await self._until(lambda: self._waits is not None or self._is_done())
        if self._waits is not None:
            self._report(self._kept().strip())
            return ExitCode.KEYS_CHANGED if self._waits in KEY_CHANGES else ExitCode.REFUSED
        return ExitCode.REFUSED if self._failed else ExitCode.OK

    def _is_done(self) -> bool:
        return not self.connection.state.unsent_count and self._asked == self._answered

    def _print(self, note: notes.Note) -> None:
        if (text := note_text.sentence(note, self._server)) is not None:
            self._report(text)

    def _send_line(self, content: str, number: int) -> None:
        try:
            self._own.add(self.connection.send(self._room, content, self._reply_to, self._files).key)
        except ChatError as refusal:
            self._failed = True
            hint = " To remove colours: --strip-ansi." if "\x1b" in content else ""
            self._report(note_text.not_sent(f"{refusal.detail}{hint}", content[:200], f" (line {number})"))

    async def _until(self, done: Callable[[], bool]) -> None:
        """Wait for the server as long as it makes progress; raises `Unreachable`."""
        while not done():
            self._progress.clear()
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._progress.wait()
            except TimeoutError:
                raise Unreachable(f"{self._server} accepted nothing for {self._timeout_s:g} s.{self._kept()}") from None

    def failure_of(self, ended: notes.SessionOver) -> Failure | None:
        """The failure for a connection that ended before everything was sent."""
        failure = failure_of(ended)
        return failure and type(failure)(f"{failure}{self._kept()}")

    def _kept(self) -> str:
        """A further sentence about the messages in the outbox; empty if there are none."""
        if not (count := self.connection.state.unsent_count):
            return ""
        return f" The outbox keeps {note_text.messages(count)} for the next chat or send."


class TailFace:
    """`tail`: prints every message of its rooms, once and in order, over as many connections as it takes.

    `out` prints messages, `report` prints everything else. With a `timeline`, messages are laid out as text; without
    it, as JSON. It ends after `count` messages. `save` is called with the positions to resume from, each after its
    line was printed. With `changes`, it prints also what happens to messages, however old they are.
    """

    def __init__(
        self,
        server: str,
        rooms: Sequence[str],
        connect: Connector,
        *,
        out: Callable[[str], None],
        report: Callable[[str], None],
        timeline: LineTimeline | None,
        count: int | None,
        save: Callable[[Mapping[str, ResumePoint]], None] = lambda _: None,
        changes: bool = False,
    ) -> None:
        self.connection = connect(self.show)
        self._changes = changes
        self._printed: dict[str, ResumePoint] = {}
        """Up to where the messages and the changes of each room were printed."""
        self._printed_revs: dict[Position, int] = {}
        """The rev as of which each of the last messages was printed."""
        self.connection.request(AwaySet(True))  # it may run for days with no one reading
        if changes:
            self.connection.ask_for_held(lambda: dict.fromkeys(rooms, HeldMessages(1)))
        self.failure: Failure | None = None
        self.unreadable = 0
        """How many messages could not be decrypted when they were printed."""
        self._server = server
        self._rooms = rooms
        self._out = out
        self._report = report
        self._timeline = timeline
        self._left = count
        self._save = save
        self._missing = ""
        """A room that the user is not in, while the list of rooms is on its way."""
        self._was_member = False
        """Whether the user was in the missing room when this run began."""

    def show(self, note: notes.Note) -> None:
        match note:
            case notes.MessageShown(message):
                if message.room in self._rooms:
                    self._print_message(message)
            case notes.MessageChanged(message):
                if self._changes and message.room in self._rooms:
                    self._print_change(note)
            case notes.WelcomeReceived():
                self._take_welcome(note)
            case notes.RoomGone(room):
                self._take_gone(note, room)
            case notes.CommandAnswered(_, reply):
                if isinstance(reply, frames.RoomList):
                    self._fail(ServerRefused(why_not_in(self._missing, reply.rooms, left=self._was_member)))
            case notes.CommandRefused(_, _, detail):
                self._fail(ServerRefused(detail))
            case notes.Disconnected(why):
                if self.connection.state.connection == 0:
                    self._fail(unreachable(self._server, inert(why)))
                else:
                    self._print(note)
            case notes.RoomReset(room, at):
                if room in self._rooms:
                    self._print(note)
                    self._advance(room, ResumePoint(at.epoch, at.offset))
            case notes.MessagesMissing() | notes.ServerError() | notes.DirectRenamed() | notes.KeysTold():
                self._print(note)
            case (
                notes.Connecting()
                | notes.Reconnecting()
                | notes.CatchingUp()
                | notes.CaughtUp()
                | notes.RoomEntered()
                | notes.MembershipChange()
                | notes.InvitationReceived()
                | notes.ReadStateTold()
                | notes.PresenceTold()
                | notes.ProfileTold()
                | notes.TypingTold()
                | notes.ReceiptsTold()
                | notes.AwayChanged()
                | notes.TopicChange()
                | notes.QueuedOffline()
                | notes.SendDelayed()
                | notes.SendWaits()
                | notes.SendStored()
                | notes.SendFailed()
                | notes.SessionOver()
            ):
                pass
            case _:
                assert_never(note)

    def _print(self, note: notes.Note) -> None:
        if (text := note_text.sentence(note, self._server)) is not None:
            self._report(text)

    def _take_welcome(self, note: notes.WelcomeReceived) -> None:
        """Save where each room begins, so that nothing is missed if the process is killed before the first line."""
        if note.again:
            self._print(note)
        streams, member_of = self.connection.state.streams, {room.room for room in note.rooms}
        begin = {room: streams[room] for room in self._rooms if room in streams}
        for room, stream in begin.items():
            rev = self._printed[room].rev if room in self._printed else stream.rev
            self._printed[room] = ResumePoint(stream.at.epoch, stream.at.offset, rev if self._changes else None)
        self._save({room: self._printed[room] for room in begin})
        if not note.again:
            self._report_unwritten([room for room in self._rooms if room not in member_of])
        if missing := [room for room in self._rooms if room not in member_of and not is_direct(room)]:
            self._missing = missing[0]
            self.connection.request(CommandRequested(frames.ListRooms(id=0)))

    def _report_unwritten(self, rooms: Sequence[str]) -> None:
        """Say that direct conversations begin later: each with its first message."""
        for room in filter(is_direct, rooms):
            self._report(f"No direct conversation {inert_name(room)} yet: waiting for the first message.")

    def _take_gone(self, note: notes.RoomGone, room: str) -> None:
        if room == self._missing:
            self._was_member = True
        elif room in self._rooms:
            self._fail(ServerRefused(note_text.sentence(note, self._server) or ""))

    def _print_message(self, message: frames.Message) -> None:
        if self._left == 0:
            return
        for line in self._timeline.message(message) if self._timeline else [as_json(message)]:
            self._out(line)
        if isinstance(message, DecryptedMessage) and message.unreadable is not None:
            self.unreadable += 1
        self._note_printed(message)
        rev = self._printed[message.room].rev if message.room in self._printed else None
        self._advance(message.room, ResumePoint(message.at.epoch, message.at.offset, rev))
        if self._left is not None:
            self._left -= 1
            if not self._left:
                self.connection.quit()

    def _print_change(self, note: notes.MessageChanged) -> None:
        """Print a message as it is now, unless it was; its rev is saved if no change before it is missing."""
        message, room = note.message, note.message.room
        if self._left == 0 or self._printed_revs.get(message.at, 0) >= message.rev:
            return
        for line in self._timeline.notice(change_line(note)) if self._timeline else [change_as_json(note)]:
            self._out(line)
        self._note_printed(message)
        stream, printed = self.connection.state.streams.get(room), self._printed.get(room)
        if stream is not None and stream.rev is not None and printed is not None:
            rev = max(printed.rev or 0, min(message.rev, stream.rev))
            self._advance(room, ResumePoint(printed.epoch, printed.offset, rev))

    def _note_printed(self, message: frames.Message) -> None:
        if self._changes:
            self._printed_revs.pop(message.at, None)
            self._printed_revs[message.at] = message.rev
            if len(self._printed_revs) > PRINTED_LIMIT:
                del self._printed_revs[next(iter(self._printed_revs))]

    def _advance(self, room: str, printed: ResumePoint) -> None:
        """Save up to where a room was printed."""
        self._printed[room] = printed
        self._save({room: printed})

    def _fail(self, failure: Failure) -> None:
        self.failure = self.failure or failure
        self.connection.quit()


def change_as_json(note: notes.MessageChanged) -> str:
    """A changed message as one line of JSON: the fields of the frame `change`, but for `after`."""
    message, by, did, what = note.message, note.by, note.did, note.what
    change = frames.Change(room=message.room, rev=message.rev, after=0, message=message, by=by, did=did, what=what)
    fields = msgspec.to_builtins(change) | {"message": _fields(message)}
    del fields["after"]
    return json.dumps(fields)


def as_json(message: frames.Message) -> str:
    """The message frame as one line of JSON. ASCII: harmless to a terminal, and the same to every JSON parser."""
    return json.dumps(_fields(message))


def _fields(message: frames.Message) -> dict[str, object]:
    """The fields of a message; of an encrypted one also `encrypted`, and `trust` or `unreadable`."""
    fields: dict[str, object] = msgspec.to_builtins(message)
    if isinstance(message, DecryptedMessage):
        fields["encrypted"] = True
    return fields


def failure_of(ended: notes.SessionOver) -> Failure | None:
    """The failure for the end of a connection; None if the user quit."""
    if ended.code is None:
        return None
    return NotLoggedIn(ended.why) if ended.code in BY_CLOSE_CODE else ServerRefused(ended.why)
