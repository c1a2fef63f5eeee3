"""Between the model and the connection: notes go in, and what the model wants is done. Knows no widget."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from chatterbox.wire import frames
from chatterbox.wire.errors import ChatError
from client.core import notes
from client.core.events import CommandRequested, RoomRequested, SendRequested
from client.faces.slash_commands import SlashCommands
from client.failures import Failure
from client.net.chat_connection import ChatConnection
from client.screen.model import submit, update
from client.screen.model.chat_model import ChatModel
from client.screen.model.effects import EnterRoom, OpenSheet, QueueMessage, QuitApp, RequestCommand, RunSlashCommand
from client.screen.model.response_timeout import ResponseTimeout


class ScreenRuntime:
    """Carries out what the model wants. `changed` is called whenever there may be something new to show.

    It is the `Stage` of the slash commands that are the same in every face.
    """

    def __init__(self, model: ChatModel, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self.model = model
        self.connection: ChatConnection
        self.performer: SlashCommands
        self.changed: Callable[[], None] = lambda: None
        self.open: Callable[[str, str], None] = lambda _sheet, _about: None
        self.quit: Callable[[], None] = lambda: None
        self.logs_out = False
        """Whether somebody wants this session to be ended after the program."""
        self._now_s = now_s
        self._silence = ResponseTimeout()
        self._pinged_at: float | None = None
        self._cut_at = 0.0
        self._settled = asyncio.Event()
        self._running: asyncio.Task[notes.SessionOver] | None = None

    def begin(self, over: Callable[[], None]) -> None:
        """Connect, and stay so; `over` is called when that has ended. All is done in the context of the caller."""
        self._running = asyncio.create_task(self.connection.run())
        self._running.add_done_callback(lambda _: over())

    async def end(self, timeout_s: float) -> notes.SessionOver:
        """Hang up, after waiting a little for the acks of what was said last; returns how it ended."""
        self.changed = self.quit = lambda: None
        if self._running is None:
            return notes.SessionOver(None, "never begun")
        if not self._running.done():
            await self._until_sent(timeout_s)
            self.connection.quit()
        return await self._running

    def show(self, note: notes.Note) -> None:
        """Take a note of the core's."""
        if isinstance(note, notes.Disconnected):
            self._cut_at, self._pinged_at = self._now_s(), None
        if (
            isinstance(note, notes.CommandAnswered)
            and isinstance(note.reply, frames.Pong)
            and self._pinged_at is not None
        ):
            self.model.status.lag_ms = 1000 * (self._now_s() - self._pinged_at)
            self._pinged_at = None
        update.take(self.model, note)
        self.settle()
        if isinstance(note, notes.WelcomeReceived):
            self.ping()

    def settle(self) -> None:
        """Do what the model wants, and let it know what the outbox holds then."""
        while self.model.wants:
            self._do(self.model.wants.pop(0))
        self.model.outbox(self.connection.state.unsent, self.connection.state.in_flight)
        self.heed_silence()
        self._settled.set()
        self.changed()

    async def _until_sent(self, timeout_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.model.status.live and self.model.status.unsent:
                    self._settled.clear()
                    await self._settled.wait()

    def ping(self) -> None:
        """Measure how long the server takes to answer."""
        if self.model.status.live and self._pinged_at is None:
            self._pinged_at = self._now_s()
            self.connection.request(CommandRequested(frames.Ping(id=0)))
            self.heed_silence()

    def heed_silence(self) -> None:
        """See whether the server answers."""
        self.model.status.silent_s = self._silence.at(self._now_s(), self.connection.state.pending)

    def try_now(self) -> None:
        """Connect at once if the next try is waited for."""
        self._cut_at = float("-inf")  # the line counts down to it no more
        self.connection.try_now()
        self.changed()

    @property
    def wait_s(self) -> float | None:
        """How long it is until the next try to connect."""
        status = self.model.status
        if status.live or status.retry_s is None:
            return None
        return max(0.0, self._cut_at + status.retry_s - self._now_s())

    def _do(self, want: object) -> None:
        match want:
            case QueueMessage(room, content):
                self._say(want, room, content)
            case RequestCommand(command):
                self.connection.request(CommandRequested(command))
            case EnterRoom(room):
                self.connection.request(RoomRequested(room))
            case RunSlashCommand(call):
                self.performer.carry_out(call)
            case OpenSheet(sheet, about):
                self.open(sheet, about)
            case QuitApp():
                self.quit()

    # The stage of slash commands.

    @property
    def room(self) -> str:
        return self.model.room.name

    @property
    def speakers(self) -> Mapping[str, str]:
        return self.model.room.heard

    def go_to(self, room: str) -> None:
        submit.join(self.model, room)

    def notice(self, text: str) -> None:
        self.model.notice(text)
        self.changed()

    def log_out(self) -> None:
        self.logs_out = True
        self.quit()

    def _say(self, say: QueueMessage, room: str, content: str) -> None:
        try:
            self.connection.request(SendRequested(room, content))
        except ChatError as refusal:
            self.model.not_taken(say, refusal.detail)
        except Failure as failure:
            self.model.not_taken(say, str(failure))
