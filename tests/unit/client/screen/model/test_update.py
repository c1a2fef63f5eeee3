"""What comes from the server is told as it is, and can't do anything to the terminal."""

from dataclasses import replace

import pytest

from chatterbox.wire import frames
from chatterbox.wire.position import Position
from client.core import notes
from client.core.outbox_entry import OutboxEntry
from client.screen.layout.message_rows import RowStyle
from client.screen.layout.side_lists import plain
from client.screen.layout.viewport import TimelineView
from client.screen.model import update
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import encode_state, restore_state
from client.text.sanitize import is_dangerous
from tests.unit.client.screen.harness import HOSTILE, Harness, message_note, messages, running_screen, welcome_note
from tests.unit.client.world import ME, ROOM, message, room_state

RESTORED = (
    "-- The history of #general was restored from a backup: messages that you have seen may be gone. Continuing after "
    "message 2."
)


class TestTheTruth:
    async def test_each_step_of_an_outage_is_told(self) -> None:
        async with running_screen() as ui:
            await ui.show(notes.Disconnected("the line was cut", 0.0, 0, was_live=True, known=False))
            assert ui.status().startswith(" offline: the line was cut, next try now")
            entry = OutboxEntry("k", ROOM, "written while cut off")
            ui.connection.set_state(type(ui.connection.state)(unsent={ROOM: (entry,)}))
            await ui.show(notes.QueuedOffline(entry))
            assert "1 unsent" in ui.status()
            assert ui.timeline()[-1].endswith("written while cut off  (queued)")
            await ui.show(welcome_note("ops", again=True), notes.CatchingUp(ROOM, 3), message_note(4))
            assert ui.status().startswith(" catching up, 2 to go · 1 unsent")
            await ui.show(message_note(5), message_note(6), notes.CaughtUp(ROOM))
            assert ui.status().startswith(" connected")

    @pytest.mark.parametrize("hostile", HOSTILE)
    async def test_nothing_hostile_reaches_the_terminal(self, hostile: str) -> None:
        async with running_screen(size=(130, 24)) as ui:
            await ui.show(
                notes.RoomEntered(hostile, tuple(messages(1, 2, room=hostile))),
                message_note(4, content=f"http://a.example/{hostile}", username=hostile),
                notes.RoomGone(hostile),
                notes.ServerError(hostile),
                notes.SendFailed(OutboxEntry("k", ROOM, hostile), "x", hostile),
                notes.MembershipChange(
                    frames.Membership(room=hostile, username=ME, member=True, by=hostile), mine=True
                ),
                replace(welcome_note(), server=hostile, username=hostile),
            )
            assert not any(map(is_dangerous, ui.everything()))
            ui.model.open_room(hostile)
            await ui.show(notes.Disconnected(hostile, 1.0, 0, was_live=True, known=False))
            assert not any(map(is_dangerous, ui.everything()))
            await ui.press("ctrl+k")
            assert not any(map(is_dangerous, ui.everything()))

    async def test_markup_in_a_message_is_shown_as_it_stands(self) -> None:
        async with running_screen() as ui:
            hostile = "[red]x[/] [link=http://evil]y[/link] [@click=app.quit]z[/]"
            await ui.show(message_note(4, content=hostile), notes.ServerError("[b]no[/b]"))
            shown = " ".join(ui.timeline())
            assert "[red]x[/]" in shown
            assert "[b]no[/b]" in shown


class TestAHistoryThatWasRestoredSinceTheLastRun:
    """Messages 1 to 3 were seen; then a backup was put back that ends with the second."""

    def opened(self, epoch: str) -> ChatModel:
        before = ChatModel("http://x", ROOM)
        before.room.add_page(messages(1, 3), begins=True)
        before.room.mark_all_read()
        made = ChatModel("http://x", ROOM)
        restore_state(made, encode_state(before))
        update.apply(made, notes.WelcomeReceived(ME, (room_state(2, epoch=epoch),), 0, again=False))
        return made

    def shown(self, made: ChatModel) -> list[str]:
        return plain(line.row for line in TimelineView(made).draw(RowStyle(200, ME), 10))

    @pytest.mark.parametrize("epoch", ["e2", "e1"])
    def test_is_told_of_below_what_is_left(self, epoch: str) -> None:
        made = self.opened(epoch)
        update.apply(made, notes.RoomEntered(ROOM, tuple(message(offset, epoch=epoch) for offset in (1, 2))))
        *_, last, said = self.shown(made)
        assert last.endswith("message 2")
        assert said == RESTORED

    def test_is_told_of_where_the_cut_is_whatever_comes_first(self) -> None:
        made = self.opened("e2")
        update.apply(made, notes.MessageShown(message(3, epoch="e2"), mine=False))
        assert RESTORED in self.shown(made)
        page = frames.Page(id=1, room=ROOM, messages=[message(offset, epoch="e2") for offset in (1, 2)], more=False)
        update.apply(made, notes.CommandAnswered(frames.ReadHistory(id=1, room=ROOM, before=3, limit=100), page))
        *_, last, said, came = self.shown(made)
        assert last.endswith("message 2")
        assert said == RESTORED
        assert came.endswith("message 3")

    def test_is_not_told_of_a_room_that_goes_on(self) -> None:
        before = self.opened("e2")
        update.apply(before, notes.RoomEntered(ROOM, tuple(message(offset, epoch="e2") for offset in (1, 2))))
        made = ChatModel("http://x", ROOM)
        restore_state(made, encode_state(before))
        update.apply(made, notes.WelcomeReceived(ME, (room_state(2, epoch="e2"),), 0, again=False))
        assert RESTORED not in self.shown(made)


class TestRoomsOfOnesOwn:
    async def test_that_a_room_is_made_is_said_there_and_that_it_is_private_is_known_at_once(self) -> None:
        async with running_screen() as ui:
            created = frames.Created(id=1, room="den", private=True, at=Position("e1", 0))
            await ui.show(notes.CommandAnswered(frames.CreateRoom(id=1, room="den", private=True), created))
            assert ui.requested == ["enter den"]
            await ui.show(notes.RoomEntered("den", ()))
            assert ui.timeline()[-1] == "-- Created #den (private, by invitation only)."
            assert ui.pane("heading")[0].split() == ["#den", "private"]
            await ui.press("alt+2")
            assert "Created" not in " ".join(ui.timeline())


class TestARoomThatIsGone:
    """Its row is gone, too: what is said of it is said where somebody looks."""

    GONE = "-- You are no longer in #ops: you left it in another client, or a restored backup does not contain it."

    def said_last(self, ui: Harness) -> str:
        return " ".join(line.strip() for line in ui.timeline()[-2:])

    async def test_is_told_of_in_the_room_that_is_looked_at(self) -> None:
        async with running_screen(size=(130, 24)) as ui:
            await ui.show(welcome_note(again=True), notes.RoomGone("ops"))
            assert not any("#ops" in row for row in ui.pane("rooms"))
            assert self.said_last(ui) == self.GONE

    async def test_is_told_of_where_it_was_looked_at(self) -> None:
        async with running_screen(size=(130, 24)) as ui:
            ui.model.open_room("ops")
            await ui.show(welcome_note(again=True), notes.RoomGone("ops"))
            assert self.said_last(ui) == self.GONE
            assert "you are not in it" in ui.pane("heading")[0]

    async def test_since_the_last_run_is_told_of_at_the_start(self) -> None:
        before = ChatModel("http://x", ROOM)
        before.ensure_room("ops")
        before.ensure_room("dev", member=False).set_draft("half")
        model = ChatModel("http://x", ROOM)
        restore_state(model, encode_state(before))
        async with running_screen(size=(130, 24), connect=False, model=model) as ui:
            await ui.show(welcome_note(), notes.RoomEntered(ROOM, tuple(messages(1, 3))))
            assert self.said_last(ui) == self.GONE
            assert "#dev" not in " ".join(ui.timeline())

    async def test_takes_nothing_that_was_written_there_with_it(self) -> None:
        async with running_screen(size=(130, 24)) as ui:
            await ui.show(welcome_note(again=True), notes.RoomGone("ops"))
            await ui.show(notes.SendFailed(OutboxEntry("k", "ops", "hello"), "room_unknown", "No such room."))
            assert ui.timeline()[-1] == "-- NOT SENT to #ops: No such room. Your text: hello"
