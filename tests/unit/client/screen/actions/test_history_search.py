"""Search on the full screen: in the loaded messages, and in older pages of the history."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from textual.containers import Vertical

from chatterbox.wire import frames
from client.core import notes
from client.screen.actions import history_search
from client.screen.layout.side_lists import plain
from client.screen.widgets.picker import Picker
from client.screen.widgets.row_widget import RowWidget
from tests.support.waiting import until
from tests.unit.client.screen.harness import Harness, message_note, running_screen
from tests.unit.client.world import ROOM, message

MOST_S = 20.0


class History:
    """A room of `head` messages; some say something else than `message N`. It answers requests for pages."""

    def __init__(self, head: int, other: dict[int, str]) -> None:
        self.head, self.other = head, other
        self.pages = 0

    def page(self, request: frames.ReadHistory) -> notes.CommandAnswered:
        self.pages += 1
        last = min(self.head, (request.before or self.head + 1) - 1)
        first = max(1, last - request.limit + 1)
        found = [self.message(offset) for offset in range(first, last + 1)]
        reply = frames.Page(id=1, room=ROOM, messages=found, more=first > 1)
        return notes.CommandAnswered(request, reply)

    def message(self, offset: int) -> frames.Message:
        whole = message(offset)
        return msgspec.structs.replace(whole, content=self.other.get(offset, whole.content))

    async def answer(self, ui: Harness) -> None:
        """Answer the requests so far."""
        requested, ui.connection.requested = ui.connection.requested, []
        for request in requested:
            if isinstance(request, frames.ReadHistory):
                ui.runtime.show(self.page(request))
        await ui.settle()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TURN_S", 0.05), ("RETRY_TURNS", 10**6), ("GIVE_UP_TURNS", 10**6)):
        monkeypatch.setattr(history_search, name, value)


@asynccontextmanager
async def room_of(head: int, other: dict[int, str]) -> AsyncIterator[tuple[Harness, History]]:
    """The newest hundred of `head` messages are loaded."""
    history = History(head, other)
    async with running_screen(connect=False) as ui:
        await ui.show(
            notes.WelcomeReceived("alice", (), 0, again=False, server="gateway-1"),
            notes.RoomEntered(ROOM, tuple(history.message(offset) for offset in range(head - 99, head + 1))),
        )
        ui.connection.requested.clear()
        yield ui, history


def choices(ui: Harness) -> list[str]:
    return plain(ui.app.screen.query_one("#choices", RowWidget).rows)


def extent(ui: Harness) -> str:
    picker = ui.app.screen
    assert isinstance(picker, Picker)
    return picker._progress


async def test_search_loads_older_messages_until_the_beginning_and_says_how_far_it_came() -> None:
    async with room_of(700, {3: "needle"}) as (ui, history):
        await ui.press("ctrl+s")
        await ui.burst(*"needle")
        assert choices(ui) == ["No match so far."]
        await until(lambda: extent(ui) == "searched 100 messages, back to 23 Nov 2026; loading …", MOST_S)
        while not choices(ui)[0].startswith("▸ needle"):
            await until(lambda: any(isinstance(r, frames.ReadHistory) for r in ui.connection.requested), MOST_S)
            await history.answer(ui)
        assert history.pages == 3
        await until(lambda: extent(ui) == "searched all 700 messages", MOST_S)
        await ui.press("enter")
        assert any(line.endswith("┃ needle") for line in ui.timeline())


async def test_search_survives_a_picker_that_is_being_closed() -> None:
    async with room_of(700, {}) as (ui, _):
        await ui.press("ctrl+s")
        picker = ui.app.screen
        assert isinstance(picker, Picker)
        await picker.query(Vertical).remove()
        picker.update("searched 100 messages")


async def test_search_without_a_match_says_that_the_whole_room_was_searched() -> None:
    async with room_of(150, {}) as (ui, history):
        await ui.press("ctrl+s")
        await ui.burst(*"needle")
        await until(lambda: any(isinstance(r, frames.ReadHistory) for r in ui.connection.requested), MOST_S)
        await history.answer(ui)
        await until(lambda: extent(ui) == "searched all 150 messages", MOST_S)
        assert choices(ui) == ["No match."]


async def test_search_pauses_after_its_pages_and_goes_on_with_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_search, "PAGES", 1)
    async with room_of(900, {}) as (ui, history):
        await ui.press("ctrl+s")
        await ui.burst(*"needle")
        await until(lambda: bool(ui.connection.requested), MOST_S)
        await history.answer(ui)
        await until(lambda: extent(ui) == "searched 300 messages, back to 23 Nov 2026; Ctrl+S searches on", MOST_S)
        assert ui.connection.requested == []
        await ui.press("ctrl+s")
        await until(lambda: bool(ui.connection.requested), MOST_S)
        await history.answer(ui)
        await until(lambda: extent(ui).startswith("searched 500 messages"), MOST_S)


async def test_closed_search_loads_no_more() -> None:
    async with room_of(900, {}) as (ui, history):
        await ui.press("ctrl+s")
        await ui.burst(*"needle")
        await until(lambda: bool(ui.connection.requested), MOST_S)
        await ui.press("escape")
        await history.answer(ui)
        await ui.app.workers.wait_for_complete()
        assert ui.connection.requested == []


async def test_search_offline_says_so() -> None:
    async with room_of(900, {}) as (ui, _):
        await ui.show(notes.Disconnected("gone", 25.0, 0, was_live=True, repeated=False))
        await ui.press("ctrl+s")
        await ui.burst(*"needle")
        await until(lambda: extent(ui) == "searched 100 messages, back to 23 Nov 2026; offline", MOST_S)
        assert choices(ui) == ["No match."]


async def test_refused_page_is_requested_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_search, "RETRY_TURNS", 2)
    async with room_of(300, {5: "needle"}) as (ui, history):
        await ui.press("ctrl+s")
        await ui.burst(*"needle")
        await until(lambda: bool(ui.connection.requested), MOST_S)
        request = ui.connection.requested.pop()
        assert isinstance(request, frames.ReadHistory)
        await ui.show(notes.CommandRefused(request, "rate_limited", "Too many."))
        await until(lambda: bool(ui.connection.requested), MOST_S)
        await history.answer(ui)
        await until(lambda: choices(ui)[0].startswith("▸ needle"), MOST_S)


async def test_search_stops_if_pages_never_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_search, "GIVE_UP_TURNS", 5)
    async with room_of(300, {}) as (ui, _):
        await ui.press("ctrl+s")
        await ui.burst(*"needle")
        await until(lambda: extent(ui).endswith("; Ctrl+S searches on"), MOST_S)


async def test_gap_between_loaded_messages_is_searched_too() -> None:
    async with room_of(500, {440: "needle"}) as (ui, history):
        ui.model.room.reset()
        ui.model.room.log.add([history.message(offset) for offset in (*range(1, 50), *range(480, 501))])
        await ui.press("ctrl+s")
        await ui.burst(*"needle")
        await until(lambda: bool(ui.connection.requested), MOST_S)
        await history.answer(ui)
        await until(lambda: choices(ui)[0].startswith("▸ needle"), MOST_S)


async def test_second_search_replaces_the_first_text() -> None:
    async with running_screen() as ui:
        await ui.press("ctrl+s")
        await ui.burst(*"message 2")
        await ui.press("enter", "ctrl+s")
        await ui.burst(*"message 3")
        assert [line.split() for line in choices(ui)] == [["▸", "message", "3", "bob"]]


async def test_letters_after_a_search_go_to_the_input_and_are_no_commands() -> None:
    async with running_screen() as ui:
        await ui.press("ctrl+s")
        await ui.burst(*"message 2")
        await ui.press("enter")
        await ui.type("quick copy")
        assert (ui.text, ui.model.selected) == ("quick copy", None)


async def test_found_message_is_marked_and_alt_m_selects_it() -> None:
    async with running_screen() as ui:
        await ui.press("ctrl+s")
        await ui.burst(*"message 2")
        await ui.press("enter")
        assert ui.timeline()[-2] == "10:00          bob  ┃ message 2"
        assert ui.status().startswith(" connected · F4 older match · Alt+M select · Esc newest")
        await ui.press("alt+m")
        assert ui.model.selected_text() == "message 2"
        await ui.press("escape", "escape")
        assert ui.timeline()[-2] == "10:00          bob  │ message 2"


async def test_sending_a_message_ends_the_search() -> None:
    async with running_screen() as ui:
        await ui.press("ctrl+s")
        await ui.burst(*"message 2")
        await ui.press("enter", *"hi", "enter", "alt+m")
        assert ui.model.selected_text() == "message 3"


async def test_f4_goes_to_the_next_older_match() -> None:
    async with running_screen() as ui:
        texts = {offset: f"needle {offset}" for offset in (20, 40, 60, 80)}
        await ui.show(*(message_note(offset, content=texts.get(offset, "hay")) for offset in range(4, 90)))
        await ui.press("ctrl+s")
        await ui.burst(*"needle")
        await ui.press("enter", "f4")
        assert any(line.endswith("┃ needle 60") for line in ui.timeline())


async def test_f4_loads_older_messages_until_it_finds_a_match() -> None:
    async with room_of(700, {690: "needle", 20: "needle of old"}) as (ui, history):
        await ui.press("ctrl+s")
        await ui.burst(*"needle")
        await ui.press("enter", "f4")
        await until(
            lambda: ui.status().startswith(" searched 100 messages, back to 23 Nov 2026; loading … Esc"), MOST_S
        )
        while history.pages < 3:
            await until(lambda: bool(ui.connection.requested), MOST_S)
            await history.answer(ui)
        await ui.app.workers.wait_for_complete()
        await ui.settle()
        assert any(line.endswith("┃ needle of old") for line in ui.timeline())
        await ui.press("f4")
        await ui.app.workers.wait_for_complete()
        await ui.settle()
        assert ui.status().startswith(" No older match; searched all 700 messages.")


async def test_esc_stops_a_search_in_the_background() -> None:
    async with room_of(900, {890: "needle"}) as (ui, history):
        await ui.press("ctrl+s")
        await ui.burst(*"needle")
        await ui.press("enter", "f4")
        await until(lambda: bool(ui.connection.requested), MOST_S)
        await ui.press("escape")
        await history.answer(ui)
        await ui.app.workers.wait_for_complete()
        assert ui.connection.requested == []


async def test_f4_without_a_search_names_the_key_for_it() -> None:
    async with running_screen() as ui:
        await ui.press("f4")
        assert ui.status().startswith(" Search first: Ctrl+S.")
