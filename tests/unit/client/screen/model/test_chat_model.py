"""The model: what the screen says of rooms, of what is unread in them, and of the pages that it wants."""

from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire import frames
from client.core import notes
from client.core.outbox_entry import OutboxEntry
from client.screen.layout.message_blocks import TOP
from client.screen.layout.message_rows import RowStyle
from client.screen.layout.side_lists import plain
from client.screen.layout.status_line import parts
from client.screen.model import submit, update
from client.screen.model.chat_model import ChatModel
from client.screen.model.effects import QueueMessage, RequestCommand
from tests.unit.client.world import ME, ROOM, message, room_state

LOOK = RowStyle(60, ME)


def model(*rooms: frames.RoomState) -> ChatModel:
    made = ChatModel("http://x", ROOM)
    update.take(made, notes.WelcomeReceived(ME, rooms or (room_state(3), room_state(3, room="ops")), 0, again=False))
    made.lines(LOOK, 10)
    made.wants.clear()
    return made


def said(offset: int, *, room: str = ROOM, username: str = "bob") -> notes.MessageShown:
    return notes.MessageShown(message(offset, room=room, username=username), username == ME)


class TestComingBack:
    def test_how_much_was_missed_stays_on_the_screen(self) -> None:
        made = model()
        update.take(made, notes.CatchingUp(ROOM, 2))
        assert made.to_go == 2
        update.take(made, said(4))
        update.take(made, said(5))
        update.take(made, notes.CaughtUp(ROOM))
        assert made.to_go == 0
        assert plain(line.row for line in made.lines(LOOK, 10))[-1] == (
            "-- Caught up: 2 messages came while you were away."
        )


class TestOnesOwn:
    def test_what_was_stored_before_a_crash_does_not_wait_for_a_place_that_is_passed(self) -> None:
        made = model()
        update.take(made, said(90))
        update.take(made, notes.SendStored(OutboxEntry("key", ROOM, "hello"), message(20).at))
        update.take(made, notes.SendStored(OutboxEntry("next", ROOM, "again"), message(92).at))
        assert list(made.room.landed) == [92]
        update.take(made, said(91))
        update.take(made, said(92, username=ME))
        assert not made.room.landed


class TestUnread:
    def test_what_is_on_the_screen_is_read(self) -> None:
        made = model()
        update.take(made, said(4))
        made.lines(LOOK, 10)
        assert (made.room.unread, made.room.marker.read) == (0, 4)

    def test_what_rushed_past_above_the_screen_is_not(self) -> None:
        made = model()
        for offset in range(4, 204):
            update.take(made, said(offset))
        made.lines(LOOK, 10)
        assert (made.room.marker.read, made.above, made.room.line) == (3, 190, 3)
        assert "↑ 190 unread above" in parts(made.status, to_go=0, below=0, elsewhere=0, above=made.above)

    def test_it_is_read_by_reading_upwards_as_well_as_downwards(self) -> None:
        made = model()
        for offset in range(4, 204):
            update.take(made, said(offset))
        for _ in range(30):
            made.lines(LOOK, 10)
            made.scroll(-9)
        made.lines(LOOK, 10)
        assert (made.room.marker.read, made.room.unread) == (203, 0)

    def test_whoever_goes_to_the_newest_twice_does_not_care_for_it(self) -> None:
        made = model()
        for offset in range(4, 204):
            update.take(made, said(offset))
        made.lines(LOOK, 10)
        made.scroll(-30)
        made.see_newest()
        made.lines(LOOK, 10)
        assert made.above
        made.see_newest()
        assert (made.above, made.room.line, made.room.marker.read) == (0, None, 203)

    def test_what_comes_while_nobody_looks_is_unread_until_somebody_does(self) -> None:
        made = model()
        made.attend(attentive=False)
        update.take(made, said(4))
        made.lines(LOOK, 10)
        assert (made.room.unread, made.room.line) == (1, 3)
        made.attend(attentive=True)
        made.lines(LOOK, 10)
        assert (made.room.unread, made.room.line) == (0, 3)

    def test_what_was_said_in_a_room_before_one_came_is_not_unread(self) -> None:
        made = model()
        submit.join(made, "dev")
        update.take(made, notes.RoomEntered("dev", tuple(message(offset, room="dev") for offset in range(30, 60))))
        made.lines(LOOK, 10)
        update.take(made, said(60, room="dev"))
        made.lines(LOOK, 10)
        assert (made.room.unread, made.room.line) == (0, None)

    def test_elsewhere_it_is_counted_until_one_goes_there(self) -> None:
        made = model()
        update.take(made, said(4, room="ops"))
        assert (made.rooms["ops"].unread, made.rooms["ops"].line) == (1, 3)
        made.go_to("ops")
        made.lines(LOOK, 10)
        assert (made.room.unread, made.room.line) == (0, 3)

    def test_ones_own_words_from_another_window_are_not_unread(self) -> None:
        made = model()
        update.take(made, said(4, room="ops", username=ME))
        assert made.rooms["ops"].unread == 0

    def opened(self, *since: str) -> ChatModel:
        """Message 3 was read in the last run; these people have said one each since, and the last ones are loaded."""
        made = ChatModel("http://x", ROOM)
        made.room.log.add([message(3)])
        made.room.marker.read = 3
        update.take(made, notes.WelcomeReceived(ME, (room_state(3 + len(since)),), 0, again=False))
        came = [message(offset, username=username) for offset, username in enumerate(since, 4)]
        update.take(made, notes.RoomEntered(ROOM, (message(3), *came)))
        return made

    def test_no_line_stands_above_ones_own_from_elsewhere(self) -> None:
        made = self.opened(ME, ME)
        assert not any("unread" in row for row in plain(line.row for line in made.lines(LOOK, 10)))
        assert not made.first_unread()

    def test_the_line_stands_above_the_first_of_somebody_else(self) -> None:
        made = self.opened(ME, "bob", ME)
        shown = plain(line.row for line in made.lines(LOOK, 10))
        above = next(number for number, row in enumerate(shown) if "unread" in row)
        assert shown[above + 1].endswith("message 5")

    def test_and_above_what_is_said_after_ones_own(self) -> None:
        made = self.opened(ME)
        made.attend(attentive=False)
        update.take(made, said(5))
        assert (made.room.unread, made.room.line) == (1, 4)

    def test_what_came_since_the_last_run_is_unread(self) -> None:
        made = ChatModel("http://x", ROOM)
        made.place("ops").marker.read = 1
        made.place("ops").log.epoch = "e1"
        update.take(made, notes.WelcomeReceived(ME, (room_state(3, room="ops"),), 0, again=False))
        assert (made.rooms["ops"].unread, made.rooms["ops"].line) == (2, 1)

    def test_of_another_history_nothing_is_known_to_be_unread(self) -> None:
        made = ChatModel("http://x", ROOM)
        made.place("ops").marker.read = 1
        made.place("ops").log.epoch = "another"
        update.take(made, notes.WelcomeReceived(ME, (room_state(3, room="ops"),), 0, again=False))
        assert made.rooms["ops"].unread == 0


class TestPages:
    def test_what_came_since_the_last_run_is_loaded_when_one_goes_there(self) -> None:
        made = ChatModel("http://x", ROOM)
        made.place("ops").log.add([message(1, room="ops")])
        made.place("ops").marker.read = 1
        update.take(made, notes.WelcomeReceived(ME, (room_state(3), room_state(3, room="ops")), 0, again=False))
        made.go_to("ops")
        made.lines(LOOK, 10)
        assert made.room.unread == 2
        commands = [want.command for want in made.wants if isinstance(want, RequestCommand)]
        (asked,) = (command for command in commands if isinstance(command, frames.ReadHistory))
        assert asked == frames.ReadHistory(id=0, room="ops", limit=2)
        made.wants.clear()
        page = [message(offset, room="ops") for offset in (1, 2, 3)]
        update.take(made, notes.CommandAnswered(asked, frames.Page(id=1, room="ops", messages=page, more=False)))
        made.wants.clear()
        shown = plain(line.row for line in made.lines(LOOK, 10))
        assert any("message 3" in row for row in shown)
        assert (made.room.unread, made.wants) == (0, [])

    def test_no_page_is_asked_for_twice(self) -> None:
        made = model()
        update.take(made, said(40))
        made.lines(LOOK, 10)
        made.lines(LOOK, 10)
        asked = [want for want in made.wants if isinstance(want, RequestCommand)]
        assert asked == [RequestCommand(frames.ReadHistory(id=0, room=ROOM, before=40, limit=100))]

    def test_a_refused_page_is_asked_for_again_when_somebody_scrolls(self) -> None:
        made = model()
        update.take(made, said(40))
        made.lines(LOOK, 10)
        made.wants.clear()
        update.take(
            made,
            notes.CommandRefused(frames.ReadHistory(id=1, room=ROOM, before=40, limit=100), "rate_limited", "Slowly."),
        )
        made.lines(LOOK, 10)
        assert made.wants == []
        made.scroll(-1)
        made.lines(LOOK, 10)
        assert len(made.wants) == 1

    def test_an_unread_line_far_away_is_fetched_and_shown(self) -> None:
        made = model()
        made.room.marker.read = 50
        update.take(made, said(900))
        made.lines(LOOK, 10)
        assert made.first_unread()
        asked = frames.ReadHistory(id=0, room=ROOM, after=50, limit=100)
        assert RequestCommand(asked) in made.wants
        page = frames.Page(id=1, room=ROOM, messages=[message(offset) for offset in range(51, 151)], more=True)
        update.take(made, notes.CommandAnswered(asked, page))
        shown = plain(line.row for line in made.lines(LOOK, 10))
        assert any("message 51" in row for row in shown)
        assert any("unread" in row for row in shown)

    @given(st.sets(st.integers(1, 300), min_size=1), st.integers(3, 40))
    def test_what_history_has_not_is_not_asked_for_for_ever(self, stored: set[int], height: int) -> None:
        made = model()
        update.take(made, said(301))
        for _ in range(400):
            made.lines(LOOK, height)
            if not made.wants:
                break
            for want in made.wants:
                assert isinstance(want, RequestCommand)
                self._answer(made, want.command, sorted(stored))
            made.wants.clear()
            made.show_message(TOP)
        assert made.room.log.offsets == [*sorted(stored), 301]
        assert made.room.log.complete

    def _answer(self, made: ChatModel, asked: frames.Command, stored: list[int]) -> None:
        """As history does it."""
        assert isinstance(asked, frames.ReadHistory)
        before = [offset for offset in stored if offset < (asked.before or 0)]
        page = [message(offset) for offset in before[-asked.limit :]]
        answer = frames.Page(id=1, room=ROOM, messages=page, more=len(before) > asked.limit)
        update.take(made, notes.CommandAnswered(asked, answer))

    def test_a_reset_takes_away_what_is_of_another_history(self) -> None:
        made = model()
        update.take(made, said(4))
        update.take(made, notes.RoomReset(ROOM, room_state(1, epoch="e2").at))
        update.take(made, notes.MessageShown(message(2, epoch="e2"), mine=False))
        assert made.room.log.offsets == [2]
        assert made.room.log.epoch == "e2"


class TestSaying:
    def test_what_the_outbox_refuses_comes_back_before_what_was_written_since(self) -> None:
        made = model()
        submit.submit(made, "first")
        made.room.draft = "second"
        made.not_taken(QueueMessage(ROOM, "first"), "The disk is full.")
        assert made.room.draft == "first\nsecond"

    def test_outside_of_a_room_nothing_is_said(self) -> None:
        made = model()
        update.take(made, notes.RoomGone(ROOM))
        assert not submit.submit(made, "hello")
        assert made.wants == []
