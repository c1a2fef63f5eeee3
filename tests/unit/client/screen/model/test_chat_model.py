"""State of the screen: unread counts, the unread line, and requested pages of history."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox.wire import frames
from client.core import notes
from client.core.events import CommandRequested, RoomRead, SendRequested
from client.core.outbox_entry import OutboxEntry
from client.screen.layout.message_rows import RowStyle
from client.screen.layout.side_lists import plain
from client.screen.layout.status_line import parts
from client.screen.layout.viewport import TimelineView
from client.screen.model import submit, update
from client.screen.model.chat_model import ChatModel
from client.screen.model.scroll_position import TOP
from tests.unit.client.world import ME, ROOM, message, room_state

STYLE = RowStyle(60, ME)


def connected_model(*rooms: frames.RoomState) -> ChatModel:
    model = ChatModel("http://x", ROOM)
    connect(model, *(rooms or (room_state(3), room_state(3, room="ops"))))
    draw(model)
    model.requests.clear()
    return model


def connect(model: ChatModel, *rooms: frames.RoomState) -> None:
    update.apply(model, notes.WelcomeReceived(ME, rooms, 0, again=False))


def draw(model: ChatModel) -> list[str]:
    """Draw the open room and return its rows."""
    return plain(row.row for row in TimelineView(model).draw(STYLE, 10))


def receive(model: ChatModel, *offsets: int, room: str = ROOM, username: str = "bob") -> None:
    for offset in offsets:
        update.apply(model, notes.MessageShown(message(offset, room=room, username=username), username == ME))


def test_count_of_missed_messages_stays_on_the_screen_after_catching_up() -> None:
    model = connected_model()
    update.apply(model, notes.CatchingUp(ROOM, 2))
    assert model.catch_up_remaining == 2
    receive(model, 4, 5)
    update.apply(model, notes.CaughtUp(ROOM))
    assert model.catch_up_remaining == 0
    assert draw(model)[-1] == "-- Caught up: 2 messages while you were offline."


def test_acked_message_behind_the_end_of_the_log_is_not_kept_as_outgoing() -> None:
    model = connected_model()
    receive(model, 90)
    update.apply(model, notes.SendStored(OutboxEntry("key", ROOM, "hello"), message(20).at))
    update.apply(model, notes.SendStored(OutboxEntry("next", ROOM, "again"), message(92).at))
    assert list(model.room.acked) == [92]
    receive(model, 91)
    receive(model, 92, username=ME)
    assert not model.room.acked


# Unread messages.


def test_message_on_the_screen_is_read() -> None:
    model = connected_model()
    receive(model, 4)
    draw(model)
    assert (model.room.unread, model.room.progress.marker.read) == (0, 4)


def test_messages_that_scrolled_past_above_the_screen_stay_unread() -> None:
    model = connected_model()
    receive(model, *range(4, 204))
    draw(model)
    assert (model.room.progress.marker.read, model.unread_above, model.room.unread_line) == (3, 190, 3)
    shown = parts(model.status, catch_up=0, below=0, elsewhere=0, above=model.unread_above)
    assert "↑ 190 unread above" in shown


def test_scrolling_up_over_unread_messages_reads_them() -> None:
    model = connected_model()
    receive(model, *range(4, 204))
    view = TimelineView(model)
    for _ in range(30):
        view.draw(STYLE, 10)
        view.scroll(-9)
    view.draw(STYLE, 10)
    assert (model.room.progress.marker.read, model.room.unread) == (203, 0)


def test_going_to_the_newest_message_never_marks_skipped_messages_as_read() -> None:
    model = connected_model()
    receive(model, *range(4, 204))
    view = TimelineView(model)
    view.draw(STYLE, 10)
    view.scroll(-30)
    for _ in range(3):
        model.follow()
        view.draw(STYLE, 10)
        assert model.unread_above
        assert model.room.unread_line is not None
    model.mark_all_read()
    assert (model.unread_above, model.room.unread_line, model.room.progress.marker.read) == (0, None, 203)


def test_message_received_without_focus_is_unread_until_the_terminal_has_focus() -> None:
    model = connected_model()
    model.set_focus(focused=False)
    receive(model, 4)
    draw(model)
    assert (model.room.unread, model.room.unread_line) == (1, 3)
    model.set_focus(focused=True)
    draw(model)
    assert (model.room.unread, model.room.unread_line) == (0, 3)


def test_messages_from_before_joining_a_room_are_not_unread() -> None:
    model = connected_model()
    submit.join(model, "dev")
    update.apply(model, notes.RoomEntered("dev", tuple(message(offset, room="dev") for offset in range(30, 60))))
    draw(model)
    receive(model, 60, room="dev")
    draw(model)
    assert (model.room.unread, model.room.unread_line) == (0, None)


def test_messages_in_another_room_are_unread_until_it_is_opened() -> None:
    model = connected_model()
    receive(model, 4, room="ops")
    assert (model.rooms["ops"].unread, model.rooms["ops"].unread_line) == (1, 3)
    model.open_room("ops")
    draw(model)
    assert (model.room.unread, model.room.unread_line) == (0, 3)


def test_own_message_from_another_client_is_not_unread() -> None:
    model = connected_model()
    receive(model, 4, room="ops", username=ME)
    assert model.rooms["ops"].unread == 0


def reopened(*authors: str) -> ChatModel:
    """Message 3 was read in the last run; each of `authors` has sent one since, and these are loaded."""
    model = ChatModel("http://x", ROOM)
    model.room.log.add([message(3)])
    model.room.progress.marker.set_read(3)
    connect(model, room_state(3 + len(authors)))
    received = [message(offset, username=username) for offset, username in enumerate(authors, 4)]
    update.apply(model, notes.RoomEntered(ROOM, (message(3), *received)))
    return model


def test_unread_line_is_not_drawn_above_own_messages() -> None:
    model = reopened(ME, ME)
    assert not any("unread" in row for row in draw(model))
    assert not TimelineView(model).show_first_unread()


def test_unread_line_is_drawn_above_the_first_message_of_another_person() -> None:
    rows = draw(reopened(ME, "bob", ME))
    line = next(number for number, row in enumerate(rows) if "unread" in row)
    assert rows[line + 1].endswith("message 5")


def test_unread_line_is_drawn_below_own_message_before_a_new_one() -> None:
    model = reopened(ME)
    model.set_focus(focused=False)
    receive(model, 5)
    assert (model.room.unread, model.room.unread_line) == (1, 4)


def test_messages_since_the_last_run_are_unread() -> None:
    model = ChatModel("http://x", ROOM)
    model.ensure_room("ops").progress.marker.set_read(1)
    model.ensure_room("ops").log.set_epoch("e1")
    connect(model, room_state(3, room="ops"))
    assert (model.rooms["ops"].unread, model.rooms["ops"].unread_line) == (2, 1)


def test_nothing_is_unread_after_the_server_got_another_history() -> None:
    model = ChatModel("http://x", ROOM)
    model.ensure_room("ops").progress.marker.set_read(1)
    model.ensure_room("ops").log.set_epoch("another")
    connect(model, room_state(3, room="ops"))
    assert model.rooms["ops"].unread == 0


# Pages of history.


def test_messages_since_the_last_run_are_loaded_when_the_room_is_opened() -> None:
    model = ChatModel("http://x", ROOM)
    model.ensure_room("ops").log.add([message(1, room="ops")])
    model.ensure_room("ops").progress.marker.set_read(1)
    connect(model, room_state(3), room_state(3, room="ops"))
    model.open_room("ops")
    draw(model)
    assert model.room.unread == 2
    commands = [request.command for request in model.requests if isinstance(request, CommandRequested)]
    (request,) = (command for command in commands if isinstance(command, frames.ReadHistory))
    assert request == frames.ReadHistory(id=0, room="ops", limit=2)
    model.requests.clear()
    page = [message(offset, room="ops") for offset in (1, 2, 3)]
    update.apply(model, notes.CommandAnswered(request, frames.Page(id=1, room="ops", messages=page, more=False)))
    model.requests.clear()
    assert any("message 3" in row for row in draw(model))
    assert (model.room.unread, model.requests) == (0, [RoomRead("ops", 3, 0)])


def test_a_page_is_requested_once() -> None:
    model = connected_model()
    receive(model, 40)
    draw(model)
    draw(model)
    requested = [request for request in model.requests if isinstance(request, CommandRequested)]
    assert requested == [CommandRequested(frames.ReadHistory(id=0, room=ROOM, before=40, limit=100))]


def test_a_refused_page_is_requested_again_after_scrolling() -> None:
    model = connected_model()
    receive(model, 40)
    view = TimelineView(model)
    view.draw(STYLE, 10)
    model.requests.clear()
    request = frames.ReadHistory(id=1, room=ROOM, before=40, limit=100)
    update.apply(model, notes.CommandRefused(request, "rate_limited", "Slowly."))
    view.draw(STYLE, 10)
    assert model.requests == []
    view.scroll(-1)
    view.draw(STYLE, 10)
    assert len(model.requests) == 1


def test_an_unread_line_outside_the_log_is_loaded_and_shown() -> None:
    model = connected_model()
    model.room.progress.marker.set_read(50)
    receive(model, 900)
    view = TimelineView(model)
    view.draw(STYLE, 10)
    assert view.show_first_unread()
    request = frames.ReadHistory(id=0, room=ROOM, after=50, limit=100)
    assert CommandRequested(request) in model.requests
    page = frames.Page(id=1, room=ROOM, messages=[message(offset) for offset in range(51, 151)], more=True)
    update.apply(model, notes.CommandAnswered(request, page))
    rows = plain(row.row for row in view.draw(STYLE, 10))
    assert any("message 51" in row for row in rows)
    assert any("unread" in row for row in rows)


@given(st.sets(st.integers(1, 300), min_size=1), st.integers(3, 40))
def test_messages_that_history_lacks_are_not_requested_for_ever(stored: set[int], height: int) -> None:
    model = connected_model()
    receive(model, 301)
    view = TimelineView(model)
    for _ in range(400):
        view.draw(STYLE, height)
        pages = [request for request in model.take_requests() if not isinstance(request, RoomRead)]
        if not pages:
            break
        for request in pages:
            assert isinstance(request, CommandRequested)
            answer(model, request.command, sorted(stored))
        view.show(TOP)
    assert model.room.log.offsets == [*sorted(stored), 301]
    assert model.room.log.complete


def answer(model: ChatModel, request: frames.Command, stored: list[int]) -> None:
    """Answer as the history service does."""
    assert isinstance(request, frames.ReadHistory)
    before = [offset for offset in stored if offset < (request.before or 0)]
    page = [message(offset) for offset in before[-request.limit :]]
    reply = frames.Page(id=1, room=ROOM, messages=page, more=len(before) > request.limit)
    update.apply(model, notes.CommandAnswered(request, reply))


def test_room_reset_removes_the_messages_of_the_old_history() -> None:
    model = connected_model()
    receive(model, 4)
    update.apply(model, notes.RoomReset(ROOM, room_state(1, epoch="e2").at))
    update.apply(model, notes.MessageShown(message(2, epoch="e2"), mine=False))
    assert model.room.log.offsets == [2]
    assert model.room.log.epoch == "e2"


# Sending.


def test_text_refused_by_the_outbox_is_put_above_a_newer_draft() -> None:
    model = connected_model()
    submit.submit(model, "first")
    model.room.input.set_draft("second")
    model.return_unsent(SendRequested(ROOM, "first"), "The disk is full.")
    assert model.room.input.draft == "first\nsecond"


def test_text_typed_in_a_room_that_the_user_left_is_not_sent() -> None:
    model = connected_model()
    update.apply(model, notes.RoomGone(ROOM))
    assert not submit.submit(model, "hello")
    assert model.requests == []


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 400), st.lists(st.integers(1, 9), max_size=6))
def test_pages_loaded_around_a_place_join_the_log_without_a_duplicate_or_a_hole(place: int, scrolls: list[int]) -> None:
    model = connected_model(room_state(500))
    model.room.add_page([message(offset) for offset in range(480, 501)])
    model.go_to(place)
    view, style = TimelineView(model), RowStyle(80)
    for scroll in (0, *scrolls, *([9] * 70)):
        view.draw(style, 10)
        _answer_pages(model, 500)
        view.scroll(scroll)
    view.draw(style, 10)
    assert place in model.room.log
    assert model.room.log.offsets == sorted(set(model.room.log.offsets))
    reached = model.room.log.index_at(place)
    assert not any(model.room.log.gap_before(index) for index in range(reached + 1, len(model.room.log)))
    assert not any(map(model.room.log.is_lost, model.room.log.offsets))


def _answer_pages(model: ChatModel, head: int) -> None:
    """Answer the requests for pages as a server with messages 1 to `head` does."""
    for request in model.take_requests():
        if isinstance(request, CommandRequested) and isinstance(request.command, frames.ReadHistory):
            asked = request.command
            if isinstance(asked.around, int):
                first = max(1, asked.around - asked.limit // 2)
            elif asked.after is not None:
                first = asked.after + 1
            else:
                first = max(1, (asked.before or head + 1) - asked.limit)
            last = min(head, first + asked.limit - 1, *([asked.before - 1] if asked.before else []))
            page = frames.Page(
                id=1, room=ROOM, messages=[message(offset) for offset in range(first, last + 1)], more=first > 1
            )
            update.apply(model, notes.CommandAnswered(asked, page))


def test_mentions_are_counted_again_when_an_unread_message_changes() -> None:
    model = connected_model()
    model.set_focus(focused=False)

    def change(offset: int, **fields: object) -> None:
        now = msgspec.structs.replace(message(offset), rev=model.room.log.replaced + 1, **fields)
        update.apply(model, notes.MessageChanged(now, mine=False))

    for offset, text in ((4, f"hi {ME}"), (5, "hi all")):
        shown = msgspec.structs.replace(message(offset), content=text)
        update.apply(model, notes.MessageShown(shown, mine=False))
    assert (model.room.unread, model.room.mentions) == (2, 1)
    change(5, content="hi @room", mentions=("@room",))
    assert model.room.mentions == 2
    change(4, content="", deleted=True)
    assert (model.room.unread, model.room.mentions) == (2, 1)
    change(5, content="hi all")
    assert model.room.mentions == 0


def test_change_of_a_room_or_message_that_is_not_loaded_is_ignored() -> None:
    model = connected_model()
    for room, offset in (("nowhere", 1), (ROOM, 99)):
        gone = msgspec.structs.replace(message(offset, room=room), rev=1, deleted=True)
        update.apply(model, notes.MessageChanged(gone, mine=False))
    assert "nowhere" not in model.rooms
    assert 99 not in model.room.log
