"""Runtime of the full screen: applies notes to the model, and carries out the model's requests. Knows no widget."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import assert_never

from chatterbox.wire import frames, room_names
from chatterbox.wire.errors import ChatError
from client.core import notes
from client.core.direct_rooms import is_direct
from client.core.events import (
    AwaySet,
    CommandRequested,
    DeviceUsed,
    KeysAccepted,
    PeopleShown,
    QuitRequested,
    RoomLooked,
    RoomMarkedUnread,
    RoomRead,
    RoomRequested,
    SendRequested,
    TypingShared,
    UserTyped,
)
from client.core.message_changes import HeldMessages
from client.core.outbox_entry import OutboxEntry
from client.encryption.message_encryption import WaitReason
from client.faces.slash.slash_commands import SlashCommands
from client.faces.slash.slash_parser import LocalCommand
from client.failures import Failure
from client.net.chat_connection import ChatConnection
from client.screen.model import update
from client.screen.model.chat_model import ChatModel, ScreenRequest
from client.screen.model.messages.own_reactions import OwnReactionsWanted
from client.screen.model.response_timeout import ResponseTimeout
from client.screen.people_reports import PeopleReports
from client.text.outbox_text import BEING_SENT
from client.text.sanitize import inert

NAMED_MESSAGES = 1000
"""The newest messages of a room among which a slash command finds one by its time."""


class ScreenRuntime:
    """Connects the model to the connection and to the screen. It is the `CommandHost` of the slash commands."""

    connection: ChatConnection
    slash_commands: SlashCommands
    people: PeopleReports
    """Set with the connection."""

    def __init__(self, model: ChatModel, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self.model = model
        self.logs_out = False
        """Whether to end the login session after the program has ended."""
        self._now_s = now_s
        self._take_first: Callable[[notes.Note], bool] = lambda _: False
        self._before_note: Callable[[notes.Note], None] = lambda _: None
        self._after_note: Callable[[notes.Note, frames.Message | None], None] = lambda _note, _related: None
        self._on_change: Callable[[], None] = lambda: None
        self._on_quit: Callable[[], None] = lambda: None
        self._on_transfer: Callable[[str], None] = lambda _: None
        self._open_sheet: Callable[[LocalCommand], bool] = lambda _: False
        self._find_reactions: Callable[[OwnReactionsWanted], None] = lambda _: None
        self._on_encryption: Callable[[], None] = lambda: None
        self._response_timeout = ResponseTimeout()
        self._pinged_at_s: float | None = None
        self._disconnected_at_s = 0.0
        self._settled = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None
        self._members_of = ""
        """The room of which the members were asked last."""
        self._running: asyncio.Task[notes.SessionOver] | None = None

    # Wiring, before `start`.

    def use_connection(self, connection: ChatConnection) -> None:
        """Use a connection, which asks what the screen holds of each room to bring it up to date."""
        self.connection = connection
        self.people = PeopleReports(connection.request)
        connection.ask_for_held(self._held_messages)
        self.model.use_encryption(self._is_encrypted)

    def _is_encrypted(self, room: str) -> bool | None:
        state = self.connection.state
        return state.is_encrypted(room) or (False if state.encryption.is_possible else None)

    def _held_messages(self) -> Mapping[str, HeldMessages]:
        self.take_revs()
        return self.model.directory.held_messages()

    def take_revs(self) -> None:
        """Take over up to which rev of each room the messages are known, to save or tell that."""
        self.model.directory.set_revs({room: stream.rev for room, stream in self.connection.state.streams.items()})

    def use_slash_commands(self, slash_commands: SlashCommands) -> None:
        self.slash_commands = slash_commands
        self._take_first = slash_commands.take
        slash_commands.files.on_progress = self._show_transfer

    def observe_notes(
        self, before: Callable[[notes.Note], None], after: Callable[[notes.Note, frames.Message | None], None]
    ) -> None:
        """Call `before` and `after` around the application of each note.

        `after` also takes a changed message as it was before, or the message that a new one answers, if it is loaded.
        """
        self._before_note, self._after_note = before, after

    def on_change(self, call: Callable[[], None]) -> None:
        """Call this whenever the state may have changed."""
        self._on_change = call

    def on_quit(self, call: Callable[[], None]) -> None:
        """Call this when the user quits."""
        self._on_quit = call

    def _show_transfer(self, progress: str) -> None:
        self._on_transfer(progress)

    def on_transfer(self, call: Callable[[str], None]) -> None:
        """Call this with how far a file is that is sent or saved; with an empty text at its end."""
        self._on_transfer = call

    def on_local_command(self, open_sheet: Callable[[LocalCommand], bool]) -> None:
        """Call this for local slash commands first; those for which it returns False are carried out here."""
        self._open_sheet = open_sheet

    def on_reactions_wanted(self, find: Callable[[OwnReactionsWanted], None]) -> None:
        """Call this to ask for the user's own reactions; it passes the answer to `receive_reactions`."""
        self._find_reactions = find

    def on_encryption(self, call: Callable[[], None]) -> None:
        """Call this when the server carries encrypted messages."""
        self._on_encryption = call

    # Life cycle.

    def start(self, on_end: Callable[[], None]) -> None:
        """Connect, and reconnect as long as that is possible. `on_end` is called in the caller's context."""
        self._running = asyncio.create_task(self.connection.run())
        self._running.add_done_callback(lambda _: on_end())

    async def stop(self, timeout_s: float) -> notes.SessionOver:
        """Disconnect, after waiting up to `timeout_s` for acks of unsent messages; return how the session ended."""
        self._on_change = self._on_quit = lambda: None
        if self._running is None:
            return notes.SessionOver(None, "never started")
        if not self._running.done():
            await self._until_sent(timeout_s)
            self.connection.quit()
        return await self._running

    async def _until_sent(self, timeout_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.model.status.live and self.model.status.unsent:
                    self._settled.clear()
                    await self._settled.wait()

    def quit(self) -> None:
        self._on_quit()

    def log_out(self) -> None:
        """Quit, and end the login session after that."""
        self.logs_out = True
        self.quit()

    # Notes and requests.

    def show(self, note: notes.Note) -> None:
        """Apply a note of the core."""
        if self._take_first(note):
            return
        self._before_note(note)
        related = self.model.related(note)
        self._measure(note)
        update.apply(self.model, note)
        self.settle()
        if isinstance(note, notes.WelcomeReceived):
            self.ping()
            if self.connection.state.encryption.is_possible:
                self._on_encryption()
        is_refused = isinstance(note, notes.CommandRefused) and note.code == WaitReason.NO_RECOVERY_KEY
        if is_refused or (isinstance(note, notes.SendWaits) and note.reason is WaitReason.NO_RECOVERY_KEY):
            self.slash_commands.show_recovery_key()
        self._after_note(note, related)
        self._ask_members(note)

    def _ask_members(self, note: notes.Note) -> None:
        """Ask encryption who the members of the open room are, when a note may have changed that."""
        room = self.model.room.name
        is_known = self._members_of == room and room in self.model.members
        changes = (notes.RoomEntered, notes.MembershipChange, notes.TrustTold, notes.KeysTold, notes.CommandAnswered)
        if not room_names.is_encrypted(room) or is_direct(room) or (is_known and not isinstance(note, changes)):
            return
        if self._asking is None or self._asking.done():
            self._members_of = room
            self._asking = asyncio.get_running_loop().create_task(self._take_members(room))

    async def _take_members(self, room: str) -> None:
        if (known := await self.connection.members(room)) is not None:
            self.model.members[room] = known.members
            self._on_change()

    def settle(self) -> None:
        """Carry out the model's requests, then update its outbox from the core."""
        for request in self.model.take_requests():
            self._carry_out(request)
        state = self.connection.state
        self.model.set_outbox(state.unsent, state.in_flight)
        self.model.people.set_known(state.people)
        self.people.look(self.model.people.looks_at(self.model.room.name) if self.model.room.member else "")
        self.check_response()
        self._settled.set()
        self._on_change()

    def follow_people(self) -> None:
        """Take over what is known of other users, if that changed without a note: an answer may say nothing new."""
        if self.connection.state.people is not self.model.people.known:
            self.settle()

    def _carry_out(self, request: ScreenRequest) -> None:
        match request:
            case SendRequested():
                self._send(request)
            case (
                CommandRequested()
                | KeysAccepted()
                | RoomRequested()
                | RoomRead()
                | RoomMarkedUnread()
                | PeopleShown()
                | RoomLooked()
                | UserTyped()
                | TypingShared()
                | DeviceUsed()
                | AwaySet()
            ):
                self.connection.request(request)
            case QuitRequested():
                self.quit()  # the screen ends first; `stop` quits the connection
            case OwnReactionsWanted():
                self._find_reactions(request)
            case LocalCommand():
                if not self._open_sheet(request):
                    self.slash_commands.carry_out(request)
            case _:
                assert_never(request)

    def _send(self, message: SendRequested) -> None:
        try:
            self.connection.request(message)
        except ChatError as refusal:
            self.model.return_unsent(message, refusal.detail)
        except Failure as failure:
            self.model.return_unsent(message, str(failure))

    def take_back(self, key: str) -> OutboxEntry | None:
        """Delete an unsent message and return it; say why if that is not possible."""
        try:
            entry = self.connection.take_back(key)
        except Failure as failure:
            self.model.notice(inert(str(failure)))
            return None
        if entry is None:
            self.model.notice(BEING_SENT)
        self.settle()
        return entry

    def edit_unsent(self, key: str, text: str) -> bool:
        """Give an unsent message another text; say why if that is not possible."""
        try:
            edited = self.connection.edit_unsent(key, text)
        except (ChatError, Failure) as refusal:
            self.model.notice(inert(f"NOT CHANGED: {refusal} Your text is in the input."))
            edited = None
        self.settle()
        return edited is not None

    def receive_reactions(self, asked: OwnReactionsWanted, found: Sequence[tuple[int, str]] | None) -> None:
        """Show the user's own reactions; None: the server could not be asked."""
        self.model.receive_own_reactions(asked, found)
        self.settle()

    # Measurements.

    def _measure(self, note: notes.Note) -> None:
        match note:
            case notes.Disconnected():
                self._disconnected_at_s, self._pinged_at_s = self._now_s(), None
            case notes.CommandAnswered(_, frames.Pong()) if self._pinged_at_s is not None:
                self.model.status.set_lag(1000 * (self._now_s() - self._pinged_at_s))
                self._pinged_at_s = None
            case _:
                pass  # other notes say nothing about time

    def ping(self) -> None:
        """Measure the round-trip time to the server."""
        if self.model.status.live and self._pinged_at_s is None:
            self._pinged_at_s = self._now_s()
            self.connection.request(CommandRequested(frames.Ping(id=0)))
            self.check_response()

    def check_response(self) -> None:
        """Measure how long the server has not answered."""
        waited_s = self._response_timeout.waited_s(self._now_s(), self.connection.state.pending)
        self.model.status.set_silence(waited_s)

    def try_now(self) -> None:
        """Connect now instead of waiting for the next attempt."""
        self._disconnected_at_s = float("-inf")  # shown as an attempt that is due now
        self.connection.try_now()
        self._on_change()

    @property
    def retry_in_s(self) -> float | None:
        """Time until the next attempt to connect (seconds)."""
        status = self.model.status
        if status.live or status.retry_s is None:
            return None
        return max(0.0, self._disconnected_at_s + status.retry_s - self._now_s())

    # For slash commands.

    @property
    def speakers(self) -> Mapping[str, str]:
        return self.model.room.active

    def messages_of(self, room: str) -> Sequence[frames.Message]:
        log = self.model.ensure_room(room).log
        return [log[offset] for offset in log.offsets[-NAMED_MESSAGES:]]

    def send_message(self, message: SendRequested) -> None:
        self._send(message)

    def notice(self, text: str) -> None:
        self.model.notice(text)
        self._on_change()
