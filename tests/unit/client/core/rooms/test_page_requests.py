"""Pages of many rooms at once: in which order, and how fast, the core requests what it missed."""

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position
from client.core import command_pace, events
from client.core.client_state import ClientState
from client.core.message_changes import ChangeProgress
from client.core.message_stream import MessageStream
from client.core.rooms.page_requests import MAX_PAGES
from tests.unit.client.world import Core, message, said, told, transmitted

ROOMS = [f"room{number:04}" for number in range(1000)]


def asked(effects: list[events.Effect]) -> list[frames.ReadHistory]:
    return [command for command in transmitted(effects) if isinstance(command, frames.ReadHistory)]


def returned(rooms: int = 1000, *, changes: int = 0) -> tuple[Core, list[events.Effect]]:
    """A client that missed one message in each of these rooms, and named none of them; the last was heard from last."""
    heard = {room: f"2026-11-22T10:00:00.{number:04}Z" for number, room in enumerate(ROOMS[:rooms])}
    progress = ChangeProgress(0, 1) if changes else ChangeProgress()
    at = Position("e1", 4)
    core = Core(ClientState(streams={room: MessageStream(at, changes=progress, heard=heard[room]) for room in heard}))
    return core, core.live(*(told(5, 5, room=room) for room in heard))


def answer(core: Core, *pages: frames.ReadHistory) -> list[events.Effect]:
    replies = []
    for page in pages:
        assert page.id is not None
        missed = [message(5, room=page.room)]
        replies.append(frames.Page(id=page.id, room=page.room, messages=missed, more=False))
    return core.came(*replies)


class TestOrder:
    def test_room_that_was_heard_from_last_comes_first(self) -> None:
        _, effects = returned()
        assert [page.room for page in asked(effects)] == ROOMS[: -MAX_PAGES - 1 : -1]

    def test_each_page_that_arrives_makes_room_for_the_next(self) -> None:
        core, effects = returned()
        (page,) = asked(answer(core, asked(effects)[0]))
        assert page.room == ROOMS[-MAX_PAGES - 1]

    def test_room_in_which_something_is_said_comes_next(self) -> None:
        core, effects = returned()
        assert said(core.came(message(6, room=ROOMS[3]))) == []
        (page,) = asked(answer(core, asked(effects)[0]))
        assert page.room == ROOMS[3]
        assert said(answer(core, page)) == [5, 6]


class TestPace:
    def test_1000_rooms_are_read_within_half_of_the_limits(self) -> None:
        core, effects = returned()
        rooms: list[str] = []
        waiting, seconds = asked(effects), 0.0
        while waiting or len(rooms) < len(ROOMS):
            assert len(waiting) <= MAX_PAGES
            rooms += [page.room for page in waiting]
            waiting = asked(answer(core, *waiting))
            if not waiting:
                seconds += command_pace.REFILL_S
                waiting = asked(core.feed(events.PaceDue(core.state.pace.timer)))
            assert len(rooms) + len(waiting) <= 100 + 25 * seconds
        assert sorted(rooms) == ROOMS
        assert seconds < 40
        assert all(stream.at.offset == 5 for stream in core.state.streams.values())

    def test_read_position_does_not_wait_for_pages(self) -> None:
        core, effects = returned()
        waiting = asked(effects)
        while waiting:
            waiting = asked(answer(core, *waiting))
        core.came(message(6, room=ROOMS[-1]))
        (command,) = transmitted(core.feed(events.RoomRead(ROOMS[-1], 6)))
        assert isinstance(command, frames.MarkRead)

    def test_pages_that_the_server_refuses_for_their_rate_stop_the_others(self) -> None:
        core, effects = returned()
        first, second, *_ = asked(effects)
        refusal = frames.ErrorFrame(id=first.id, code=Code.RATE_LIMITED, detail="Slow down.", retry_after_s=2)
        assert events.StartTimer(2, events.PaceDue(core.state.pace.timer + 1)) in core.came(refusal)
        assert asked(answer(core, second)) == []
        assert asked(core.feed(events.PaceDue(core.state.pace.timer - 1))) == []
        refilled = [asked(core.feed(events.PaceDue(core.state.pace.timer))) for _ in range(2)]
        assert [len(pages) for pages in refilled] == [0, 2]

    def test_connection_begins_with_what_its_server_allows(self) -> None:
        assert command_pace.full(Limits(commands_burst=40, commands_per_s=8)).left == 20
        assert command_pace.full(Limits(commands_burst=0, commands_per_s=0)).per_refill == 1

    def test_wait_of_an_earlier_connection_changes_nothing(self) -> None:
        core, _ = returned()
        timer = core.state.pace.timer
        core.again(*(told(5, 5, room=room) for room in ROOMS))
        assert asked(core.feed(events.PaceDue(timer))) == []
