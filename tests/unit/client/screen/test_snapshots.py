"""Snapshots of the full screen, one per scene. `make snapshots` accepts the current rendering as the expected one."""

import difflib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.widgets import OptionList

from chatterbox.wire import frames
from chatterbox.wire.people import PresenceState, Profile
from chatterbox.wire.read_state import NotificationLevel, ReadState
from client.config.builtin_themes import BUILT_IN
from client.core import notes
from client.core.client_state import ClientState, ConnectionPhase
from client.core.events import SendRequested
from client.core.outbox_entry import OutboxEntry
from client.core.people.people_state import DeviceUse, KnownPerson, PeopleState, TypingUsers
from client.core.read_state.room_read_state import RoomReadState
from tests.unit.client.screen.drawing import drawn
from tests.unit.client.screen.harness import Harness, message_note, running_screen, welcome_note
from tests.unit.client.screen.server import answered, log_in, served
from tests.unit.client.world import ME, ROOM, message

FOLDER = Path(__file__).parent / "snapshots"
ACCEPT = "CHATTERBOX_ACCEPT_SNAPSHOTS"

Scene = Callable[[Harness], Awaitable[None]]
SCENES: dict[str, tuple[tuple[int, int], Scene]] = {}


def scene(*, size: tuple[int, int] = (80, 24)) -> Callable[[Scene], Scene]:
    """Register a scene under the name of its function."""

    def register(play: Scene) -> Scene:
        SCENES[play.__name__.replace("_", "-")] = (size, play)
        return play

    return register


@scene()
async def messages(ui: Harness) -> None:
    """All kinds of rows in a timeline, and rooms with unread messages."""
    await ui.show(welcome_note("dev", "ops", "random"))
    await ui.show(
        message_note(4, content="alice: see https://chat.example.org/41 and [b]this[/b]"),
        message_note(5, content="A first line\nand a second one", username="grace"),
        message_note(6, content="mine", username=ME),
        message_note(4, room="dev"),
        message_note(4, room="ops"),
        message_note(5, room="ops", content="@alice look"),
    )


@scene(size=(60, 15))
async def messages_on_a_small_screen(ui: Harness) -> None:
    await messages(ui)


@scene()
async def changed_messages(ui: Harness) -> None:
    """All that can become of a message."""
    liked = (frames.Reaction(emoji="👍", n=12, by=("bob", "eve")), frames.Reaction(emoji=":ship_it:", n=1, by=(ME,)))
    heart = (frames.Reaction(emoji="❤️", n=2, by=(ME, "eve")),)
    await ui.show(
        _state(4, content="Shall we deploy at noon?", reactions=liked, replies=2, pinned=True),
        _state(5, username="eve", content="Yes, if the tests are green by then", reply_to=4, thread=4, edited="x"),
        _state(6, username="grace", deleted=True, content="", by="eve"),
        _state(7, username=ME, content="They are", reply_to=5, thread=4, reactions=heart),
        _state(8, username=ME, deleted=True, content="", by=ME),
        _state(9, username="eve", content="Then so be it: 午後に展開します", reply_to=7, thread=4, pinned=True),
    )


@scene(size=(60, 15))
async def changed_messages_on_a_small_screen(ui: Harness) -> None:
    await changed_messages(ui)
    await ui.press("alt+m")


@scene(size=(60, 15))
async def messages_with_files(ui: Harness) -> None:
    """Files with and without a text, of others and one's own, a long name, and an upload in the outbox."""
    plan = frames.AttachedFile(id="f1", name="plan.pdf", type="application/pdf", size=1_258_291)
    long = frames.AttachedFile(id="f2", name=f"{'午後に展開します' * 4}.webp", type="image/webp", size=900, width=9)
    await ui.show(
        _state(4, content="Here it is:", files=(plan, long), pinned=True),
        _state(5, username=ME, content="", files=(plan,), edited="x"),
        _state(6, username="eve", content="", reply_to=5, files=(plan, plan)),
    )
    ui.connection.request(SendRequested(ROOM, "", files=(plan,)))
    ui.runtime.settle()
    await ui.press("alt+m")


@scene()
async def editing_a_message(ui: Harness) -> None:
    await changed_messages(ui)
    await ui.press("ctrl+up")


@scene(size=(60, 15))
async def replying_on_a_small_screen(ui: Harness) -> None:
    await changed_messages(ui)
    await ui.press("alt+m", "r")
    await ui.type("Good")


@scene()
async def a_thread(ui: Harness) -> None:
    """A thread with a queued reply, and a draft."""
    await changed_messages(ui)
    await ui.press("alt+m", "t")
    asked = next(page for page in ui.connection.requested if isinstance(page, frames.ReadHistory) and page.thread)
    await ui.show(notes.CommandAnswered(asked, frames.Page(id=1, room=ROOM, messages=[], more=False)))
    await ui.type("Good")
    await ui.press("enter")
    await ui.type("At noon, th")


@scene(size=(60, 15))
async def a_thread_on_a_small_screen(ui: Harness) -> None:
    await a_thread(ui)
    await ui.press("alt+m")


@scene()
async def reaction_picker(ui: Harness) -> None:
    await changed_messages(ui)
    await ui.burst("alt+m", "+", *"hea")


@scene()
async def notification_picker(ui: Harness) -> None:
    told = ReadState(3, counted=3, notify=NotificationLevel.MENTIONS)
    await ui.show(notes.ReadStateTold(ROOM, RoomReadState(told)))
    await ui.press("alt+n")


@scene()
async def pinned_messages(ui: Harness) -> None:
    await changed_messages(ui)
    await ui.burst("alt+p")
    asked = ui.connection.requested[-1]
    assert isinstance(asked, frames.ReadHistory)
    await ui.show(notes.CommandAnswered(asked, frames.Page(id=1, room=ROOM, messages=[], more=False)))


def _state(offset: int, **fields: object) -> notes.MessageShown:
    stored = msgspec.structs.replace(message(offset), rev=offset, **fields)
    return notes.MessageShown(stored, stored.username == ME)


@scene()
async def a_topic(ui: Harness) -> None:
    await ui.show(notes.TopicChange(ROOM, "Engines, and what drives them: all there is to say of pistons", "bob"))


@scene(size=(60, 15))
async def a_topic_on_a_small_screen(ui: Harness) -> None:
    await a_topic(ui)


@scene(size=(130, 24))
async def messages_on_a_wide_screen_with_active_people(ui: Harness) -> None:
    await messages(ui)


@scene(size=(60, 15))
async def room_list_on_a_small_screen(ui: Harness) -> None:
    await messages(ui)
    await ui.press("f2")


@scene(size=(60, 15))
async def active_people_on_a_small_screen(ui: Harness) -> None:
    await messages(ui)
    await ui.press("f3")


@scene()
async def a_new_day(ui: Harness) -> None:
    late = msgspec.structs.replace(message(4), timestamp="2026-11-24T00:03:00.000Z")
    await ui.show(notes.MessageShown(late, mine=False))


@scene()
async def a_gap(ui: Harness) -> None:
    await ui.show(message_note(16), message_note(17))


@scene()
async def unread_line(ui: Harness) -> None:
    ui.model.set_focus(focused=False)
    await ui.show(message_note(4), message_note(5))


@scene()
async def unread_messages_below_the_screen(ui: Harness) -> None:
    await ui.show(*(message_note(offset) for offset in range(4, 60)))
    await ui.press("pageup")
    await ui.show(message_note(60), message_note(61))


@scene()
async def outgoing_messages(ui: Harness) -> None:
    entries = tuple(OutboxEntry(f"k{number}", ROOM, f"message of mine {number}") for number in (1, 2))
    ui.connection.set_state(
        ClientState(phase=ConnectionPhase.LIVE, username=ME, unsent={ROOM: entries}, in_flight={ROOM: 1})
    )
    await ui.show(notes.SendFailed(OutboxEntry("k", ROOM, "too much"), "x", "Slowly."))


@scene()
async def offline(ui: Harness) -> None:
    ui.connection.set_state(ClientState(username=ME, unsent={ROOM: (OutboxEntry("k", ROOM, "later"),)}))
    await ui.show(notes.Disconnected("connection refused", 3.0, 0, was_live=True, repeated=False))


@scene()
async def catching_up(ui: Harness) -> None:
    await ui.show(welcome_note("ops", again=True), notes.CatchingUp(ROOM, 132))


@scene()
async def several_lines_in_the_input(ui: Harness) -> None:
    await ui.type("first\nsecond\nthird")


@scene()
async def a_message_selected(ui: Harness) -> None:
    await messages(ui)
    await ui.press("alt+m", "up")


@scene()
async def a_found_message(ui: Harness) -> None:
    await ui.burst("ctrl+s", *"message", "down", "enter")


@scene()
async def room_picker(ui: Harness) -> None:
    await messages(ui)
    await ui.show(notes.CommandAnswered(frames.ListRooms(id=1), _rooms("dev", "market")))
    await ui.burst("ctrl+k")


@scene(size=(60, 15))
async def room_picker_with_typed_letters(ui: Harness) -> None:
    await messages(ui)
    await ui.burst("ctrl+k", *"om")


@scene()
async def input_history_picker(ui: Harness) -> None:
    ui.model.room.input.history.add("deploy 1")
    ui.model.room.input.history.add("and then\nthis")
    await ui.burst("ctrl+r")


@scene()
async def link_picker(ui: Harness) -> None:
    await messages(ui)
    await ui.burst("ctrl+o")


@scene()
async def member_picker(ui: Harness) -> None:
    await ui.press("f5")
    await answered(ui)


@scene(size=(60, 15))
async def session_picker_on_a_small_screen(ui: Harness) -> None:
    await ui.press("f6")
    await answered(ui)


@scene()
async def help_on_keys(ui: Harness) -> None:
    await ui.press("f1")


@scene(size=(60, 15))
async def help_on_a_small_screen(ui: Harness) -> None:
    await ui.press("f1", "pagedown")


@scene()
async def command_palette(ui: Harness) -> None:
    await ui.press("ctrl+p")
    await ui.pilot.press(*"theme")
    options = ui.app.screen.query_one(OptionList)
    while options.option_count != 1:
        await ui.pilot.pause()


@scene()
async def paste_confirmation(ui: Harness) -> None:
    ui.chat.composer.paste("\n".join("abcdefghij"), 4000)


@scene(size=(120, 24))
async def people_who_are_here(ui: Harness) -> None:
    """Presence in both panes, somebody typing, receipts, and the user away."""
    await ui.show(
        welcome_note("ops", "@eve", "@grace"),
        message_note(4, content="Shall we deploy at noon?", username="eve"),
        message_note(5, content="Yes", username="grace"),
        message_note(6, content="Then so be it", username=ME),
        message_note(7, content="On my way"),
    )
    _tell(ui, room=ROOM, typing=TypingUsers(("grace",)), read_by={"bob": 7, "eve": 6})


@scene()
async def people_on_a_usual_screen(ui: Harness) -> None:
    await people_who_are_here(ui)
    away = DeviceUse(is_set_away=True)
    _tell(ui, room=ROOM, typing=TypingUsers(("grace", "eve")), read_by={"bob": 7}, device=away)


@scene()
async def a_profile(ui: Harness) -> None:
    await people_who_are_here(ui)
    await ui.press("alt+m", "up", "up", "f5")


@scene(size=(40, 12))
async def a_profile_on_a_small_screen(ui: Harness) -> None:
    await a_profile(ui)


def _tell(ui: Harness, **state: Any) -> None:
    """What the core knows of other users."""
    engineer = Profile(display_name="Grace Hopper", bio="Compilers, and the ships that need them.", status="at sea")
    people = {
        "bob": KnownPerson(PresenceState.AWAY),
        "eve": KnownPerson(PresenceState.OFFLINE, "2026-11-01T10:00:00Z"),
        "grace": KnownPerson(PresenceState.ONLINE, profile=engineer),
    }
    known = PeopleState(people=people, **state)
    ui.connection.set_state(replace(ui.connection.state, people=known))
    ui.runtime.settle()


@scene()
async def a_misspelled_command(ui: Harness) -> None:
    await ui.type("/jion ops")
    await ui.press("enter")


def _rooms(*names: str) -> frames.RoomList:
    rooms = [
        frames.RoomSummary(room=name, private=False, member=name == "dev", members=2, at=message(1).at)
        for name in names
    ]
    return frames.RoomList(id=1, rooms=rooms)


@pytest.mark.parametrize("name", SCENES)
async def test_scene_is_drawn_as_in_its_snapshot(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    size, play = SCENES[name]
    served(monkeypatch)
    async with frozen_screen(size) as ui:
        log_in(ui)
        await play(ui)
        await ui.settle()
        compare(name, drawn(ui.app))


@pytest.mark.parametrize("theme", BUILT_IN)
async def test_messages_are_drawn_in_each_theme_as_in_the_snapshot(theme: str) -> None:
    async with frozen_screen((80, 24)) as ui:
        ui.app.use_theme(BUILT_IN[theme])
        await messages(ui)
        await ui.press("alt+m", "up", "up")
        compare(f"theme-{theme}", drawn(ui.app))


def test_every_snapshot_has_a_scene() -> None:
    expected = {f"{name}.txt" for name in (*SCENES, *(f"theme-{theme}" for theme in BUILT_IN))}
    assert {path.name for path in FOLDER.iterdir()} == expected


def compare(name: str, now: str) -> None:
    path = FOLDER / f"{name}.txt"
    if os.environ.get(ACCEPT):
        path.write_text(now, encoding="utf-8")
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    changed = "\n".join(difflib.unified_diff(before.splitlines(), now.splitlines(), "snapshot", "drawn", lineterm=""))
    assert not changed, f"{name} differs from its snapshot. To accept the change: make snapshots\n{changed}"


@asynccontextmanager
async def frozen_screen(size: tuple[int, int]) -> AsyncIterator[Harness]:
    """A screen without a blinking cursor, and with a stopped clock."""
    async with running_screen(size=size, now_s=lambda: 0.0) as ui:
        ui.chat.composer.cursor_blink = False
        yield ui


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
