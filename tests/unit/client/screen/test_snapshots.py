"""Each feature of the full screen as it is drawn. `make snapshots` takes what is drawn now as what should be."""

import difflib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from textual.widgets import OptionList

from chatterbox.wire import frames
from client.config.builtin_themes import BUILT_IN
from client.core import notes
from client.core.client_state import ClientState, ConnectionPhase
from client.core.outbox_entry import OutboxEntry
from tests.unit.client.screen.drawing import drawn
from tests.unit.client.screen.server import answered, log_in, served
from tests.unit.client.screen.stage import Stage, connected, said, stage
from tests.unit.client.world import ME, ROOM, message

FOLDER = Path(__file__).parent / "snapshots"
ACCEPT = "CHATTERBOX_ACCEPT_SNAPSHOTS"

Scene = Callable[[Stage], Awaitable[None]]
SCENES: dict[str, tuple[tuple[int, int], Scene]] = {}


def scene(*, size: tuple[int, int] = (80, 24)) -> Callable[[Scene], Scene]:
    """Declare a scene under its name."""

    def declare(play: Scene) -> Scene:
        SCENES[play.__name__.replace("_", "-")] = (size, play)
        return play

    return declare


@scene()
async def talk(there: Stage) -> None:
    """Everything that a timeline has, with rooms that have something new."""
    await there.show(connected("dev", "ops", "random"))
    await there.show(
        said(4, content="alice: see https://chat.example.org/41 and [b]this[/b]"),
        said(5, content="A first line\nand a second one", username="grace"),
        said(6, content="mine", username=ME),
        said(4, room="dev"),
        said(4, room="ops"),
        said(5, room="ops", content="@alice look"),
    )


@scene(size=(60, 15))
async def talk_on_a_small_screen(there: Stage) -> None:
    await talk(there)


@scene()
async def a_topic(there: Stage) -> None:
    await there.show(notes.TopicChange(ROOM, "Engines, and what drives them: all there is to say of pistons", "bob"))


@scene(size=(60, 15))
async def a_topic_on_a_small_screen(there: Stage) -> None:
    await a_topic(there)


@scene(size=(130, 24))
async def talk_on_a_wide_screen_with_the_people(there: Stage) -> None:
    await talk(there)


@scene(size=(60, 15))
async def rooms_that_were_asked_for(there: Stage) -> None:
    await talk(there)
    await there.press("f2")


@scene(size=(60, 15))
async def people_that_were_asked_for(there: Stage) -> None:
    await talk(there)
    await there.press("f3")


@scene()
async def a_new_day(there: Stage) -> None:
    late = msgspec.structs.replace(message(4), timestamp="2026-11-24T00:03:00.000Z")
    await there.show(notes.MessageShown(late, mine=False))


@scene()
async def a_gap(there: Stage) -> None:
    await there.show(said(16), said(17))


@scene()
async def unread_from_here(there: Stage) -> None:
    there.model.attend(attentive=False)
    await there.show(said(4), said(5))


@scene()
async def new_below_who_reads_above(there: Stage) -> None:
    await there.show(*(said(offset) for offset in range(4, 60)))
    await there.press("pageup")
    await there.show(said(60), said(61))


@scene()
async def on_its_way_and_stored(there: Stage) -> None:
    entries = tuple(OutboxEntry(f"k{number}", ROOM, f"message of mine {number}") for number in (1, 2))
    there.connection.state = ClientState(
        phase=ConnectionPhase.LIVE, username=ME, unsent={ROOM: entries}, in_flight={ROOM: 1}
    )
    await there.show(notes.SendFailed(OutboxEntry("k", ROOM, "too much"), "x", "Slowly."))


@scene()
async def offline(there: Stage) -> None:
    there.connection.state = ClientState(username=ME, unsent={ROOM: (OutboxEntry("k", ROOM, "later"),)})
    await there.show(notes.Disconnected("connection refused", 3.0, 0, was_live=True, known=False))


@scene()
async def catching_up(there: Stage) -> None:
    await there.show(connected("ops", again=True), notes.CatchingUp(ROOM, 132))


@scene()
async def several_lines_in_the_composer(there: Stage) -> None:
    await there.type("first\nsecond\nthird")


@scene()
async def a_message_selected(there: Stage) -> None:
    await talk(there)
    await there.press("alt+m", "up")


@scene()
async def a_text_found(there: Stage) -> None:
    await there.burst("ctrl+s", *"message", "down", "enter")


@scene()
async def going_to_a_room(there: Stage) -> None:
    await talk(there)
    await there.show(notes.CommandAnswered(frames.ListRooms(id=1), _rooms("dev", "market")))
    await there.burst("ctrl+k")


@scene(size=(60, 15))
async def going_to_a_room_by_some_letters(there: Stage) -> None:
    await talk(there)
    await there.burst("ctrl+k", *"om")


@scene()
async def what_was_written_before(there: Stage) -> None:
    there.model.room.recall.add("deploy 1")
    there.model.room.recall.add("and then\nthis")
    await there.burst("ctrl+r")


@scene()
async def links_of_the_room(there: Stage) -> None:
    await talk(there)
    await there.burst("ctrl+o")


@scene()
async def members_of_the_room(there: Stage) -> None:
    await there.press("f5")
    await answered(there)


@scene(size=(60, 15))
async def sessions_on_a_small_screen(there: Stage) -> None:
    await there.press("f6")
    await answered(there)


@scene()
async def help_for_keys(there: Stage) -> None:
    await there.press("f1")


@scene(size=(60, 15))
async def help_on_a_small_screen(there: Stage) -> None:
    await there.press("f1", "pagedown")


@scene()
async def the_palette(there: Stage) -> None:
    await there.press("ctrl+p")
    await there.pilot.press(*"theme")
    options = there.app.screen.query_one(OptionList)
    while options.option_count != 1:
        await there.pilot.pause()


@scene()
async def a_question_before_many_lines(there: Stage) -> None:
    there.chat.composer.paste("\n".join("abcdefghij"))


@scene()
async def a_mistake_in_a_command(there: Stage) -> None:
    await there.type("/jion ops")
    await there.press("enter")


def _rooms(*names: str) -> frames.RoomList:
    rooms = [
        frames.RoomSummary(room=name, private=False, member=name == "dev", members=2, at=message(1).at)
        for name in names
    ]
    return frames.RoomList(id=1, rooms=rooms)


@pytest.mark.parametrize("name", SCENES)
async def test_is_drawn_as_it_was(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    size, play = SCENES[name]
    served(monkeypatch)
    async with still_stage(size) as there:
        log_in(there)
        await play(there)
        await there.settle()
        compare(name, drawn(there.app))


@pytest.mark.parametrize("theme", BUILT_IN)
async def test_is_drawn_in_each_theme(theme: str) -> None:
    async with still_stage((80, 24)) as there:
        there.app.wear(BUILT_IN[theme])
        await talk(there)
        await there.press("alt+m", "up", "up")
        compare(f"theme-{theme}", drawn(there.app))


def test_there_is_no_snapshot_of_what_is_not_drawn() -> None:
    drawn_here = {f"{name}.txt" for name in (*SCENES, *(f"theme-{theme}" for theme in BUILT_IN))}
    assert {path.name for path in FOLDER.iterdir()} == drawn_here


def compare(name: str, now: str) -> None:
    path = FOLDER / f"{name}.txt"
    if os.environ.get(ACCEPT):
        path.write_text(now, encoding="utf-8")
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    changed = "\n".join(difflib.unified_diff(before.splitlines(), now.splitlines(), "before", "now", lineterm=""))
    assert not changed, f"{name} is drawn otherwise; if it should be: make snapshots\n{changed}"


@asynccontextmanager
async def still_stage(size: tuple[int, int]) -> AsyncIterator[Stage]:
    """A stage on which no cursor blinks and no time goes by."""
    async with stage(size=size, now_s=lambda: 0.0) as there:
        there.chat.composer.cursor_blink = False
        yield there


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
