"""The client reads the room list to its end, page by page, and shows it as one."""

import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position
from client.core import events, notes, room_list
from tests.unit.client.world import Core, room_state, shown, transmitted


def page(command_id: int, *names: str, after: str | None = None) -> frames.RoomList:
    rooms = [
        frames.RoomSummary(room=name, private=False, member=False, members=1, at=Position("e1", 0)) for name in names
    ]
    return frames.RoomList(id=command_id, rooms=rooms, next=after)


@pytest.fixture
def core() -> Core:
    core = Core()
    core.live(room_state(0))
    return core


def asked(core: Core) -> int:
    """Ask for the list; returns the command's id."""
    [command] = transmitted(core.feed(events.CommandRequested(frames.ListRooms(id=0))))
    return command.id or 0


def listed(effects: list[events.Effect]) -> list[list[str]]:
    return [
        [room.room for room in note.reply.rooms]
        for note in shown(effects)
        if isinstance(note, notes.CommandAnswered) and isinstance(note.reply, frames.RoomList)
    ]


def too_soon(command_id: int, wait_s: float) -> frames.ErrorFrame:
    return frames.ErrorFrame(code=Code.RATE_LIMITED, detail="Too many.", id=command_id, retry_after_s=wait_s)


def test_a_list_of_one_page_is_shown_at_once(core: Core) -> None:
    effects = core.came(page(asked(core), "a", "b"))
    assert (listed(effects), transmitted(effects)) == ([["a", "b"]], [])


def test_pages_are_read_to_the_end_and_shown_as_one_list(core: Core) -> None:
    first = core.came(page(asked(core), "a", "b", after="b"))
    [second] = transmitted(first)
    assert (listed(first), second) == ([], frames.ListRooms(id=second.id or 0, after="b"))
    [third] = transmitted(core.came(page(second.id or 0, "c", after="c")))
    last = core.came(page(third.id or 0, "d"))
    assert (listed(last), transmitted(last)) == ([["a", "b", "c", "d"]], [])


def test_a_page_that_came_too_soon_is_asked_for_again(core: Core) -> None:
    [second] = transmitted(core.came(page(asked(core), "a", after="a")))
    refused = core.came(too_soon(second.id or 0, 0.2))
    due = events.PageDue(second.id or 0)
    assert refused == [events.StartTimer(0.2, due)]
    [again] = transmitted(core.feed(due))
    assert isinstance(again, frames.ListRooms)
    assert again.after == "a"
    assert listed(core.came(page(again.id, "b"))) == [["a", "b"]]


def test_a_refused_first_page_is_shown_as_refused(core: Core) -> None:
    [note] = shown(core.came(too_soon(asked(core), 0.2)))
    assert isinstance(note, notes.CommandRefused)
    assert note.code == Code.RATE_LIMITED


def test_a_connection_lost_between_pages_ends_the_list(core: Core) -> None:
    [second] = transmitted(core.came(page(asked(core), "a", after="a")))
    core.came(too_soon(second.id or 0, 0.2))
    refused = [note for note in shown(core.again(room_state(0))) if isinstance(note, notes.CommandRefused)]
    assert [note.code for note in refused] == ["offline"]
    assert core.feed(events.PageDue(second.id or 0)) == []


def test_an_endless_list_ends(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_list, "MAX_ROOMS", 3)
    command_id, pages = asked(core), 0
    while not (shown_lists := listed(effects := core.came(page(command_id, "a", after="a")))):
        [following] = transmitted(effects)
        command_id, pages = following.id or 0, pages + 1
        assert pages < 10
    assert shown_lists == [["a", "a", "a"]]
