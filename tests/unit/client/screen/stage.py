"""The full screen in a terminal that is none, with a connection that only writes down what it is asked for."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory

from textual import events
from textual.pilot import Pilot

from chatterbox.wire import frames
from client.config.live_config import LiveConfig
from client.context import ClientContext
from client.core import notes
from client.core.client_state import ClientState, ConnectionPhase
from client.core.events import CommandRequested, QuitRequested, Request, RoomRequested, SendRequested
from client.core.outbox_entry import OutboxEntry
from client.faces.slash_commands import SlashCommands
from client.net.chat_connection import ChatConnection
from client.screen.layout.side_lists import plain
from client.screen.model.chat_model import ChatModel
from client.screen.runtime import ScreenRuntime
from client.screen.widgets.chat_app import ChatApp
from client.store.name_cache import NameCache
from tests.unit.client.world import ME, ROOM, message, room_state

HOSTILE = ["\x1b]0;t\x07\x1b]52;c;aGk=\x07\x1b[2J", "\x9b6n\r\n10:00 root", "\u202e\u2066[red]x[/]"]
"""What no terminal may get to see, whoever says it."""


class Recorder(ChatConnection):
    """Writes down what is said and asked; what is said stays unsent."""

    def __init__(self) -> None:
        self.state = ClientState(phase=ConnectionPhase.LIVE, username=ME)
        self.done: list[object] = []
        self.refusal: Exception | None = None
        self.over = asyncio.Event()

    async def run(self) -> notes.SessionOver:
        await self.over.wait()
        return notes.SessionOver(None, "left")

    def try_now(self) -> None:
        self.done.append("try now")

    def send(self, room: str, content: str) -> OutboxEntry:
        if self.refusal:
            raise self.refusal
        self.done.append((room, content))
        entry = OutboxEntry(f"key{len(self.done)}", room, content)
        self.state = ClientState(
            phase=ConnectionPhase.LIVE, username=ME, unsent={room: (*self.state.unsent.get(room, ()), entry)}
        )
        return entry

    def request(self, request: Request) -> None:
        match request:
            case SendRequested(room, content):
                self.send(room, content)
            case CommandRequested(command):
                self.done.append(command)
            case RoomRequested(room):
                self.done.append(f"enter {room}")
            case QuitRequested():
                self.over.set()


class Stage:
    """A person at the screen. `told` is what was asked of the connection but for what the screen asks by itself."""

    def __init__(self, app: ChatApp, pilot: Pilot[None], shell: ScreenRuntime, connection: Recorder) -> None:
        self.app, self.pilot, self.shell, self.connection = app, pilot, shell, connection
        self.live: LiveConfig | None = None
        self.model = shell.model
        self.chat = app.chat

    @property
    def told(self) -> list[object]:
        quiet = frames.ListRooms | frames.Ping | frames.ReadHistory
        return [done for done in self.connection.done if not isinstance(done, quiet)]

    @property
    def text(self) -> str:
        return self.chat.composer.text

    async def show(self, *shown: notes.Note) -> None:
        for note in shown:
            self.shell.show(note)
        await self.settle()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def type(self, text: str) -> None:
        await self.pilot.press(*(_key(character) for character in text))
        await self.settle()

    async def burst(self, *keys: str) -> None:
        """Press keys as a terminal sends what is pasted: all at once."""
        for key in keys:
            self.app.post_message(events.Key("space" if key == " " else key, key if len(key) == 1 else None))
        await self.settle()

    def look_again(self) -> None:
        """Let the program see what was written into the configuration, as it does every second."""
        assert self.live is not None
        if (now := self.live.changed()) is not None:
            self.app.take_up(now)

    def colours_of(self, text: str) -> tuple[str, str]:
        """The colours in which some text on the screen is drawn, and what is behind it."""
        strips = self.app.screen._compositor.render_strips()
        style = next(segment.style for strip in strips for segment in strip if text in segment.text)
        assert style is not None
        return style.color.name if style.color else "", style.bgcolor.name if style.bgcolor else ""

    async def settle(self) -> None:
        await self.pilot.pause()
        self.chat.draw()
        await self.pilot.pause()

    def timeline(self) -> list[str]:
        return [line for line in plain(self.chat.timeline.shown) if line]

    def everything(self) -> str:
        """All that goes to the terminal, without the sequences that Textual writes itself."""
        strips = self.app.screen._compositor.render_strips()
        return "".join(segment.text for strip in strips for segment in strip)

    def pane(self, name: str) -> list[str]:
        from client.screen.widgets.row_widget import RowWidget

        return plain(self.chat.query_one(f"#{name}", RowWidget).shown)

    def status(self) -> str:
        return self.pane("status")[0]


def _key(character: str) -> str:
    return {" ": "space", "\n": "alt+enter"}.get(character, character)


@asynccontextmanager
async def stage(
    *,
    size: tuple[int, int] = (80, 24),
    connect: bool = True,
    model: ChatModel | None = None,
    live: LiveConfig | None = None,
    now_s: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Stage]:
    """Open the screen in #general, as alice."""
    shell = ScreenRuntime(model or ChatModel("http://x", ROOM), now_s=now_s)
    shell.connection = connection = Recorder()
    app = ChatApp(shell, live=live)
    with TemporaryDirectory() as home:
        shell.performer = SlashCommands(
            shell, ClientContext("http://x", Path(home)), NameCache(Path(home) / "known.json")
        )
        async with _staged(shell, app, connection, size=size, connect=connect, live=live) as there:
            yield there


@asynccontextmanager
async def _staged(
    shell: ScreenRuntime,
    app: ChatApp,
    connection: Recorder,
    *,
    size: tuple[int, int],
    connect: bool,
    live: LiveConfig | None,
) -> AsyncIterator[Stage]:
    async with app.run_test(size=size, notifications=True) as pilot:
        there = Stage(app, pilot, shell, connection)
        there.live = live
        there.chat.zone = UTC
        if connect:
            await there.show(connected("ops"), notes.RoomEntered(ROOM, tuple(messages(1, 3))))
        connection.done.clear()
        yield there
    await shell.end(0)


def connected(*others: str, again: bool = False) -> notes.WelcomeReceived:
    rooms = tuple(room_state(3, room=name) for name in (ROOM, *others))
    return notes.WelcomeReceived(ME, rooms, 0, again, server="gateway-1")


def messages(first: int, last: int, *, room: str = ROOM) -> list[frames.Message]:
    return [message(offset, room=room) for offset in range(first, last + 1)]


def said(offset: int, *, room: str = ROOM, content: str | None = None, username: str = "bob") -> notes.MessageShown:
    import msgspec

    whole = message(offset, room=room, username=username)
    content = whole.content if content is None else content
    return notes.MessageShown(msgspec.structs.replace(whole, content=content), username == ME)
