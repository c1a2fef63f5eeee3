"""Read state that the server keeps, on the full screen: its counts, and what other devices read."""

import msgspec
import pytest

from chatterbox.wire import frames
from chatterbox.wire.read_state import ReadState
from client.core import notes
from client.core.events import RoomRead
from client.core.read_state.room_read_state import ReadMark, RoomReadState
from client.screen.layout.message_rows import RowStyle
from client.screen.layout.side_lists import plain, room_rows
from client.screen.layout.viewport import TimelineView
from client.screen.model import update
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import encode_state, restore_state
from tests.unit.client.world import ME, ROOM, message, room_state

STYLE = RowStyle(80, ME)


def told(room: str, read: int, unread: int = 0, *, counted: int, turn: int = 0, mentions: int = 0) -> notes.Note:
    state = ReadState(read, turn, unread, mentions, counted)
    return notes.ReadStateTold(room, RoomReadState(state))


def connected(model: ChatModel, heads: dict[str, int], *tell: notes.Note, tells: bool = True) -> ChatModel:
    """Welcome a client: the server tells the read states, or can't."""
    fields = {note.room: note.state.told for note in tell if isinstance(note, notes.ReadStateTold)}
    rooms = []
    for room, head in heads.items():
        state, mark = room_state(head, room=room), fields.get(room)
        if mark is not None and tells:
            counts = {"read": mark.read, "turn": mark.turn, "unread": mark.unread, "counted": mark.counted}
            state = msgspec.structs.replace(state, **counts)
        rooms.append(state)
    update.apply(model, notes.WelcomeReceived(ME, tuple(rooms), 0, again=False))
    for note in tell:
        update.apply(model, note)
    return model


def new_model() -> ChatModel:
    return ChatModel("http://x", ROOM)


def draw(model: ChatModel, height: int = 10) -> list[object]:
    """Draw, and return what the core is told."""
    model.requests.clear()
    TimelineView(model).draw(STYLE, height)
    return [request for request in model.requests if isinstance(request, RoomRead)]


def page(model: ChatModel, room: str, first: int, last: int, *, username: str = "bob", more: bool = True) -> None:
    found = [message(offset, room=room, username=username) for offset in range(first, last + 1)]
    request = frames.ReadHistory(id=1, room=room, limit=100)
    update.apply(model, notes.CommandAnswered(request, frames.Page(id=1, room=room, messages=found, more=more)))


def receive(model: ChatModel, room: str, offset: int, *, username: str = "bob", content: str = "hi") -> None:
    one = msgspec.structs.replace(message(offset, room=room, username=username), content=content)
    update.apply(model, notes.MessageShown(one, username == ME))


def counts(model: ChatModel, room: str) -> tuple[int, int]:
    return model.rooms[room].unread, model.rooms[room].mentions


class TestCounts:
    def test_server_counts_are_shown_for_a_room_that_was_never_open_here_and_no_page_is_read_for_them(self) -> None:
        model = connected(new_model(), {ROOM: 3, "ops": 90}, told("ops", 50, 31, counted=90, mentions=2))
        assert counts(model, "ops") == (31, 2)
        pages = [each.command for each in model.requests if hasattr(each, "command")]
        assert not any(isinstance(command, frames.ReadHistory) for command in pages)

    def test_mentions_are_still_counted_from_pages_for_a_server_that_can_not_tell(self) -> None:
        model = new_model()
        connected(model, {ROOM: 3, "ops": 3})
        receive(model, "ops", 4)
        saved = encode_state(model)
        model = new_model()
        restore_state(model, saved)
        connected(model, {ROOM: 3, "ops": 90})
        pages = [each.command for each in model.requests if hasattr(each, "command")]
        assert any(isinstance(command, frames.ReadHistory) and command.room == "ops" for command in pages)

    def test_messages_that_come_later_are_added_and_own_ones_are_not(self) -> None:
        model = connected(new_model(), {ROOM: 3, "ops": 90}, told("ops", 50, 31, counted=90, mentions=2))
        receive(model, "ops", 91, content=f"@{ME}")
        receive(model, "ops", 92, username=ME)
        assert counts(model, "ops") == (32, 3)

    def test_own_messages_that_are_not_loaded_are_not_unread_once_a_part_of_the_room_is_loaded(self) -> None:
        model = connected(new_model(), {ROOM: 3, "ops": 90}, told("ops", 50, 31, counted=90))
        model.open_room("ops")
        page(model, "ops", 81, 90)
        assert counts(model, "ops")[0] == 31
        draw(model, 8)  # five messages, a rule and the unread line at most
        read = 31 - counts(model, "ops")[0]
        assert 0 < read <= 8

    def test_client_counts_itself_once_everything_unread_is_loaded(self) -> None:
        model = connected(new_model(), {ROOM: 3, "ops": 90}, told("ops", 85, 4, counted=90, mentions=1))
        page(model, "ops", 81, 90)
        assert counts(model, "ops") == (5, 0)

    def test_999_of_the_server_means_at_least_so_many(self) -> None:
        model = connected(new_model(), {ROOM: 3, "ops": 5000}, told("ops", 50, 999, counted=5000))
        assert counts(model, "ops")[0] == 4950
        assert plain(room_rows(model, 22, 5))[1].endswith("999+")

    def test_sums_over_all_rooms_are_those_of_the_rooms(self) -> None:
        model = connected(
            new_model(), {ROOM: 9, "ops": 90}, told("ops", 50, 31, counted=90), told(ROOM, 2, 7, counted=9)
        )
        receive(model, "ops", 91)
        model.open_room("ops")
        page(model, "ops", 1, 91)
        draw(model)
        model.mark_all_read()
        assert model.unread_elsewhere == 7
        assert model.directory.totals.unread == sum(room.unread for room in model.rooms.values())


class TestReadElsewhere:
    def test_room_that_was_read_on_another_device_is_read_here_at_once(self) -> None:
        model = connected(new_model(), {ROOM: 3, "ops": 90}, told("ops", 50, 31, counted=90))
        update.apply(model, told("ops", 90, 0, counted=90))
        assert counts(model, "ops") == (0, 0)
        assert model.rooms["ops"].unread_line is None
        assert model.unread_elsewhere == 0

    def test_message_marked_unread_on_another_device_is_unread_here_although_it_is_on_the_screen(self) -> None:
        model = connected(new_model(), {ROOM: 5}, told(ROOM, 5, counted=5))
        page(model, ROOM, 1, 5, more=False)
        draw(model)
        update.apply(model, told(ROOM, 2, 3, counted=5, turn=1))
        assert draw(model) == []
        assert (counts(model, ROOM)[0], model.room.unread_line) == (3, 2)

    def test_late_position_of_an_earlier_turn_changes_nothing(self) -> None:
        model = connected(new_model(), {ROOM: 3, "ops": 90}, told("ops", 50, 31, counted=90, turn=2))
        update.apply(model, notes.ReadStateTold("ops", RoomReadState(ReadState(90, 1, 0, 0, 90), ReadMark(2, 50))))
        assert model.rooms["ops"].progress.read_mark == (2, 50)

    def test_room_joined_on_another_device_begins_where_the_server_says(self) -> None:
        model = connected(new_model(), {ROOM: 3})
        joined = frames.Membership(room="ops", username=ME, member=True, at=message(70, room="ops").at, read=60)
        update.apply(model, notes.MembershipChange(joined, mine=True))
        update.apply(model, told("ops", 60, 9, counted=70))
        assert counts(model, "ops")[0] == 9


class TestReporting:
    def test_message_drawn_on_a_focused_screen_is_reported_once(self) -> None:
        model = connected(new_model(), {ROOM: 3}, told(ROOM, 0, 3, counted=3))
        page(model, ROOM, 1, 3, more=False)
        assert draw(model) == [RoomRead(ROOM, 3, 0)]
        assert draw(model) == []
        model.set_focus(focused=False)
        receive(model, ROOM, 4)
        assert draw(model) == []
        model.set_focus(focused=True)
        assert draw(model) == [RoomRead(ROOM, 4, 0)]

    def test_message_behind_unread_ones_is_not_reported(self) -> None:
        model = connected(new_model(), {ROOM: 90}, told(ROOM, 10, 80, counted=90))
        page(model, ROOM, 60, 90)
        assert draw(model) == []
        model.mark_all_read()
        assert [each for each in model.requests if isinstance(each, RoomRead)] == [RoomRead(ROOM, 90, 0)]

    def test_greater_one_of_the_saved_and_the_server_position_counts_and_is_told(self) -> None:
        model = connected(new_model(), {ROOM: 9, "ops": 9}, told(ROOM, 9, counted=9), told("ops", 3, 6, counted=9))
        page(model, ROOM, 1, 9, more=False)
        model.open_room("ops")
        page(model, "ops", 1, 9, more=False)
        draw(model, 20)
        saved = encode_state(model)
        again = new_model()
        restore_state(again, saved)
        connected(again, {ROOM: 12, "ops": 9}, told(ROOM, 11, 1, counted=12), told("ops", 3, 6, counted=9))
        assert again.rooms[ROOM].progress.read_mark == (0, 11)
        assert again.rooms["ops"].progress.read_mark == (0, 9)
        assert counts(again, "ops") == (0, 0)
        assert RoomRead("ops", 9, 0) in again.requests

    def test_turn_survives_a_restart_without_a_connection(self) -> None:
        model = connected(new_model(), {ROOM: 5}, told(ROOM, 5, counted=5, turn=3))
        page(model, ROOM, 1, 5, more=False)
        model.mark_unread(3)
        again = new_model()
        restore_state(again, encode_state(model))
        connected(again, {ROOM: 5}, told(ROOM, 5, counted=5, turn=3))
        assert again.room.progress.read_mark == (4, 2)
        assert RoomRead(ROOM, 2, 4) in again.requests


class TestMarkingUnread:
    @pytest.fixture
    def model(self) -> ChatModel:
        model = connected(new_model(), {ROOM: 5, "ops": 5}, told(ROOM, 5, counted=5), told("ops", 5, counted=5))
        page(model, ROOM, 1, 5, more=False)
        draw(model)
        return model

    def test_it_begins_a_turn_and_draws_the_unread_line_above_the_message(self, model: ChatModel) -> None:
        model.mark_unread(4)
        assert [each for each in model.requests if isinstance(each, RoomRead)] == [RoomRead(ROOM, 3, 1)]
        assert (counts(model, ROOM)[0], model.room.unread_line) == (2, 3)

    def test_room_stays_unread_while_it_is_on_the_screen_and_is_read_when_it_is_opened_again(
        self, model: ChatModel
    ) -> None:
        model.mark_unread(4)
        assert draw(model) == []
        receive(model, ROOM, 6)
        draw(model)
        assert counts(model, ROOM)[0] == 3
        model.open_room("ops")
        draw(model)
        model.open_room(ROOM)
        assert draw(model) == [RoomRead(ROOM, 6, 1)]
        assert counts(model, ROOM)[0] == 0

    def test_own_connection_confirming_it_changes_nothing(self, model: ChatModel) -> None:
        model.mark_unread(4)
        update.apply(model, told(ROOM, 3, 2, counted=5, turn=1))
        assert draw(model) == []
        assert counts(model, ROOM)[0] == 2


class TestManyRooms:
    def test_list_of_a_thousand_rooms_is_sorted_again_only_when_it_changes(self) -> None:
        model = connected(new_model(), {ROOM: 3, **{f"room{number}": 9 for number in range(999)}})
        before = model.ordered
        receive(model, "room7", 10)
        draw(model)
        assert plain(room_rows(model, 22, 5))[0].startswith("▸1 #general")
        assert model.ordered is before
        model.open_room("room998")
        model.directory.order.move("room998", -1)
        assert model.ordered is not before
        assert [line.split()[0] for line in plain(room_rows(model, 22, 3))] == ["#room996", "▸", "#room997"]

    def test_lists_of_direct_conversations_and_rooms_have_titles_wherever_the_list_is_cut(self) -> None:
        names = [f"@user{number}" for number in range(6)] + [f"room{number}" for number in range(6)]
        model = connected(new_model(), {ROOM: 3, **dict.fromkeys(names, 3)})
        for room in [*names, ROOM]:
            model.open_room(room)
            for height in range(1, 20):
                rows = [line.split()[-1] for line in plain(room_rows(model, 22, height))]
                every = ["direct", *names[:6], "rooms", "#general", *(f"#{name}" for name in names[6:])]
                start = every.index(rows[0])
                assert rows == every[start : start + height]
                assert any(line.startswith("▸") for line in plain(room_rows(model, 22, height)))


class TestComingBack:
    def test_messages_that_the_server_counted_while_the_client_was_away_are_not_counted_again_when_they_come(
        self,
    ) -> None:
        model = connected(new_model(), {ROOM: 3, "ops": 9}, told("ops", 9, counted=9))
        update.apply(model, notes.WelcomeReceived(ME, (room_state(3), room_state(12, room="ops")), 0, again=True))
        update.apply(model, told("ops", 9, 2, counted=12, mentions=1))
        assert counts(model, "ops") == (2, 1)
        receive(model, "ops", 10, content=f"@{ME}")
        receive(model, "ops", 11, username=ME)
        receive(model, "ops", 12)
        assert counts(model, "ops") == (2, 1)
        receive(model, "ops", 13)
        assert counts(model, "ops") == (3, 1)
