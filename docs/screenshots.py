"""Generate the screenshots of the full-screen client in docs/pictures: `python -m docs.screenshots`."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from chatterbox.wire import frames
from chatterbox.wire.people import PresenceState
from chatterbox.wire.position import Position
from client.config.builtin_themes import BUILT_IN
from client.core import notes
from client.core.client_state import ClientState, ConnectionPhase
from client.core.events import Request
from client.core.outbox_entry import OutboxEntry
from client.core.people.people_state import KnownPerson, PeopleState, TypingUsers
from client.net.chat_connection import ChatConnection
from client.screen.model.chat_model import ChatModel
from client.screen.runtime import ScreenRuntime
from client.screen.widgets.chat_app import ChatApp

PICTURES = (("screen", (110, 24), "dark"), ("light", (80, 20), "light"), ("small", (60, 15), "high-contrast"))
_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Rich embeds font URLs in its SVG; they are removed, so that the pictures load nothing from the network."""
FOLDER = Path(__file__).parent / "pictures"


def _reaction(emoji: str, *who: str) -> frames.Reaction:
    return frames.Reaction(emoji=emoji, n=len(who), by=who)


TALK: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("ada", "Morning. The new gateway is out, 667 connections moved and nobody noticed.", {"pinned": True}),
    (
        "grace",
        "I did: my status line said so for a fifth of a second.",
        {"reactions": (_reaction("😄", "ada", "bob"),)},
    ),
    (
        "linus",
        "@bob can you look at https://chat.example.org/runs/41 before noon?",
        {"mentions": ("bob",), "replies": 2},
    ),
    ("bob", "On it.", {"reply_to": 3, "thread": 3}),
    ("linus", "Thanks!", {"reply_to": 4, "thread": 3}),
    (
        "grace",
        "The graph of the slow readers is flat:\n  before  4.1 s\n  after   0.2 s",
        {
            "reactions": (_reaction("🎉", "ada", "bob", "linus"), _reaction("👍", "bob")),
            "edited": "2026-11-25T09:29:00.000Z",
        },
    ),
)


class IdleConnection(ChatConnection):
    """A connection that does nothing, for a screen that is only drawn."""

    def __init__(self) -> None:
        entry = OutboxEntry("k", "general", "Looked at it: ship it.")
        here = {"ada": PresenceState.ONLINE, "bob": PresenceState.ONLINE, "linus": PresenceState.AWAY}
        known = {name: KnownPerson(state) for name, state in {**here, "grace": PresenceState.OFFLINE}.items()}
        people = PeopleState(people=known, room="general", typing=TypingUsers(("ada",)))
        unsent = {"general": (entry,)}
        self.state = ClientState(phase=ConnectionPhase.LIVE, username="bob", unsent=unsent, people=people)

    async def run(self) -> notes.SessionOver:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    def request(self, request: Request) -> None: ...


@asynccontextmanager
async def running_app(size: tuple[int, int], theme: str) -> AsyncIterator[tuple[ChatApp, Pilot[None]]]:
    runtime = ScreenRuntime(ChatModel("http://127.0.0.1:8000", "general"))
    runtime.use_connection(IdleConnection())
    app = ChatApp(runtime, zone=UTC)
    app.use_theme(BUILT_IN[theme])
    async with app.run_test(size=size) as pilot:
        for note in _notes():
            runtime.show(note)
        runtime.model.status.set_lag(4)
        await pilot.pause()
        app.chat.draw()
        await pilot.pause()
        yield app, pilot


def _notes() -> list[notes.Note]:
    rooms = ("deploy", "general", "ops", "random", "@ada", "@grace")
    states = tuple(
        frames.RoomState(room=name, at=Position("e", 0), head=0, kind="direct" if name.startswith("@") else "")
        for name in rooms
    )
    messages = [_message("general", offset, who, what, more) for offset, (who, what, more) in enumerate(TALK, 1)]
    others = [
        _message("ops", 1, "grace", "@bob the disk is at 80 %", {"mentions": ("bob",)}),
        _message("random", 1, "ada", "cake!"),
        _message("@ada", 1, "ada", "Lunch?"),
    ]
    entered = notes.RoomEntered("general", tuple(messages))
    return [
        notes.WelcomeReceived("bob", states, 1, again=False, server="gateway-2"),
        notes.TopicChange("general", "What goes out, and what comes back"),
        entered,
        *(notes.MessageShown(message, mine=False) for message in others),
    ]


def _message(
    room: str, offset: int, username: str, content: str, more: Mapping[str, Any] | None = None
) -> frames.Message:
    at = f"2026-11-25T09:{10 + 3 * offset}:00.000Z"
    place = Position("e", offset)
    return frames.Message(
        room=room, at=place, message_id=offset, username=username, content=content, timestamp=at, **(more or {})
    )


async def draw() -> None:
    for name, size, theme in PICTURES:
        async with running_app(size, theme) as (app, pilot):
            _write(name, app)
            if name == "light":
                await pilot.press("f1")
                await pilot.pause()
                _write("help", app)


def _write(name: str, app: ChatApp) -> None:
    svg = _FONT.sub("", app.export_screenshot(title="Chatterbox")).replace("Fira Code", "monospace")
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(draw())
