"""Runs the full screen in a headless terminal, with a connection that records requests instead of sending them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from textual import events
from textual.pilot import Pilot
from textual.screen import Screen

from chatterbox.wire import frames
from client.config.live_config import LiveConfig
from client.context import ClientContext
from client.core import notes
from client.core.client_state import ClientState, ConnectionPhase
from client.core.events import (
    AwaySet,
    CommandRequested,
    DeviceUsed,
    PeopleRequest,
    PeopleShown,
    QuitRequested,
    Request,
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
from client.faces.slash.slash_commands import SlashCommands
from client.net.chat_connection import ChatConnection
from client.screen.layout.side_lists import plain
from client.screen.model.chat_model import ChatModel
from client.screen.runtime import ScreenRuntime
from client.screen.state_file import StateFile
from client.screen.widgets.chat_app import ChatApp
from client.screen.widgets.row_widget import RowWidget
from client.store.name_cache import NameCache
from tests.unit.client.world import ME, ROOM, message, room_state

HOSTILE = ["\x1b]0;t\x07\x1b]52;c;aGk=\x07\x1b[2J", "\x9b6n\r\n10:00 root", "\u202e\u2066[red]x[/]"]
"""Text that must not reach a terminal as it is."""


class RecordingConnection(ChatConnection):
    """Records requests. Sent messages stay in the outbox."""

    def __init__(self) -> None:
        self.state = ClientState(phase=ConnectionPhase.LIVE, username=ME)
        self.requested: list[object] = []
        self.read: list[RoomRead | RoomMarkedUnread] = []
        """How far rooms were read."""
        self.reported: list[PeopleRequest] = []
        """What the screen said of itself and of its user."""
        self.held: Callable[[], Mapping[str, HeldMessages]] = dict
        self._refusal: Exception | None = None
        self.over = asyncio.Event()

    def refuse(self, refusal: Exception) -> None:
        """Raise this for every message."""
        self._refusal = refusal

    def set_state(self, state: ClientState) -> None:
        self.state = state

    def ask_for_held(self, held: Callable[[], Mapping[str, HeldMessages]]) -> None:
        self.held = held

    async def run(self) -> notes.SessionOver:
        await self.over.wait()
        return notes.SessionOver(None, "left")

    def try_now(self) -> None:
        self.requested.append("try now")

    def send(
        self, room: str, content: str, reply_to: int = 0, files: tuple[frames.AttachedFile, ...] = ()
    ) -> OutboxEntry:
        if self._refusal:
            raise self._refusal
        self.requested.append((room, content, reply_to) if reply_to else (room, content))
        entry = OutboxEntry(f"key{len(self.requested)}", room, content, reply_to, files=files)
        self.state = ClientState(
            phase=ConnectionPhase.LIVE, username=ME, unsent={room: (*self.state.unsent.get(room, ()), entry)}
        )
        return entry

    def edit_unsent(self, key: str, text: str) -> OutboxEntry | None:
        for room, entries in self.state.unsent.items():
            if edited := [entry for entry in entries if entry.key == key]:
                now = tuple(replace(entry, content=text) if entry.key == key else entry for entry in entries)
                self.state = replace(self.state, unsent={**self.state.unsent, room: now})
                return edited[0]
        return None

    def take_back(self, key: str) -> OutboxEntry | None:
        for room, entries in self.state.unsent.items():
            for entry in entries:
                if entry.key == key and not (room in self.state.in_flight and entry == entries[0]):
                    kept = tuple(other for other in entries if other.key != key)
                    self.state = replace(self.state, unsent={**self.state.unsent, room: kept})
                    return entry
        return None

    def request(self, request: Request) -> None:
        match request:
            case SendRequested(room, content, reply_to, files):
                self.send(room, content, reply_to, files)
            case CommandRequested(command):
                self.requested.append(command)
            case RoomRequested(room):
                self.requested.append(f"enter {room}")
            case RoomRead() | RoomMarkedUnread():
                self.read.append(request)
            case PeopleShown() | RoomLooked() | UserTyped() | TypingShared() | DeviceUsed() | AwaySet():
                self.reported.append(request)
            case QuitRequested():
                self.over.set()


class Harness:
    """Types on the running screen, and reads what it shows."""

    def __init__(
        self,
        app: ChatApp,
        pilot: Pilot[None],
        runtime: ScreenRuntime,
        connection: RecordingConnection,
        live_config: LiveConfig | None,
    ) -> None:
        self.app, self.pilot, self.runtime, self.connection = app, pilot, runtime, connection
        self._live_config = live_config
        self.model = runtime.model
        self.chat = app.chat

    @property
    def requested(self) -> list[object]:
        """Requests to the connection, except those that the screen makes by itself."""
        automatic = frames.ListRooms | frames.Ping | frames.ReadHistory
        return [request for request in self.connection.requested if not isinstance(request, automatic)]

    @property
    def text(self) -> str:
        return self.chat.composer.text

    async def show(self, *shown: notes.Note) -> None:
        for note in shown:
            self.runtime.show(note)
        await self.settle()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def type(self, text: str) -> None:
        await self.pilot.press(*(_key(character) for character in text))
        await self.settle()

    async def burst(self, *keys: str) -> None:
        """Press keys all at once, as a terminal sends pasted text."""
        for key in keys:
            self.app.post_message(events.Key("space" if key == " " else key, key if len(key) == 1 else None))
        await self.settle()

    def reload_config(self) -> None:
        """Check the configuration files, as the app does every second."""
        assert self._live_config is not None
        if (now := self._live_config.changed()) is not None:
            self.app.apply_config(now)

    def colours_of(self, text: str) -> tuple[str, str]:
        """Foreground and background colour of some text on the screen."""
        strips = self.app.screen._compositor.render_strips()
        style = next(segment.style for strip in strips for segment in strip if text in segment.text)
        assert style is not None
        return style.color.name if style.color else "", style.bgcolor.name if style.bgcolor else ""

    async def settle(self) -> None:
        await self.pilot.pause()
        self.chat.draw()
        await self.pilot.pause()

    def timeline(self) -> list[str]:
        return [line for line in plain(self.chat.timeline.rows) if line]

    def everything(self) -> str:
        """All text on the screen, without the escape sequences that Textual adds."""
        strips = self.app.screen._compositor.render_strips()
        return "".join(segment.text for strip in strips for segment in strip)

    def pane(self, name: str) -> list[str]:
        return plain(self.chat.query_one(f"#{name}", RowWidget).rows)

    def pane_of(self, screen: Screen[Any]) -> list[str]:
        """The rows of a sheet."""
        return plain(screen.query_one(RowWidget).rows)

    def status(self) -> str:
        return self.pane("status")[0]


def _key(character: str) -> str:
    return {" ": "space", "\n": "alt+enter"}.get(character, character)


@asynccontextmanager
async def running_screen(
    *,
    size: tuple[int, int] = (80, 24),
    connect: bool = True,
    model: ChatModel | None = None,
    live_config: LiveConfig | None = None,
    state_file: StateFile | None = None,
    now_s: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Harness]:
    """Open the screen in #general, as alice."""
    runtime = ScreenRuntime(model or ChatModel("http://x", ROOM), now_s=now_s)
    connection = RecordingConnection()
    runtime.use_connection(connection)
    app = ChatApp(runtime, live_config=live_config, state_file=state_file, zone=UTC)
    with TemporaryDirectory() as home:
        context, names = ClientContext("http://x", Path(home)), NameCache(Path(home) / "known.json")
        runtime.use_slash_commands(SlashCommands(runtime, context, names))
        async with app.run_test(size=size, notifications=True) as pilot:
            ui = Harness(app, pilot, runtime, connection, live_config)
            if connect:
                await ui.show(welcome_note("ops"), notes.RoomEntered(ROOM, tuple(messages(1, 3))))
            connection.requested.clear()
            yield ui
        await runtime.stop(0)


def welcome_note(*others: str, again: bool = False) -> notes.WelcomeReceived:
    rooms = tuple(room_state(3, room=name) for name in (ROOM, *others))
    return notes.WelcomeReceived(ME, rooms, 0, again, server="gateway-1")


def messages(first: int, last: int, *, room: str = ROOM) -> list[frames.Message]:
    return [message(offset, room=room) for offset in range(first, last + 1)]


def message_note(
    offset: int, *, room: str = ROOM, content: str | None = None, username: str = "bob"
) -> notes.MessageShown:
    whole = message(offset, room=room, username=username)
    content = whole.content if content is None else content
    return notes.MessageShown(msgspec.structs.replace(whole, content=content), username == ME)
