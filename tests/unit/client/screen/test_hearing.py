"""What comes from the server is told as it is, and can't do anything to the terminal."""

from dataclasses import replace

import pytest

from chatterbox.wire import frames
from chatterbox.wire.position import Position
from client import notes
from client.entry import Entry
from client.inert import is_dangerous
from tests.unit.client.screen.stage import HOSTILE, connected, messages, said, stage
from tests.unit.client.world import ME, ROOM


class TestTheTruth:
    async def test_each_step_of_an_outage_is_told(self) -> None:
        async with stage() as there:
            await there.show(notes.Cut("the line was cut", 0.0, 0, was_live=True, known=False))
            assert there.status().startswith(" offline: the line was cut, next try now")
            entry = Entry("k", ROOM, "written while cut off")
            there.connection.state = type(there.connection.state)(unsent={ROOM: (entry,)})
            await there.show(notes.Kept(entry))
            assert "1 unsent" in there.status()
            assert there.timeline()[-1].endswith("written while cut off  (queued)")
            await there.show(connected("ops", again=True), notes.CatchingUp(ROOM, 3), said(4))
            assert there.status().startswith(" catching up, 2 to go · 1 unsent")
            await there.show(said(5), said(6), notes.CaughtUp(ROOM))
            assert there.status().startswith(" connected")

    @pytest.mark.parametrize("hostile", HOSTILE)
    async def test_nothing_hostile_reaches_the_terminal(self, hostile: str) -> None:
        async with stage(size=(130, 24)) as there:
            await there.show(
                notes.Entered(hostile, tuple(messages(1, 2, room=hostile))),
                said(4, content=f"http://a.example/{hostile}", username=hostile),
                notes.Gone(hostile),
                notes.Complaint(hostile),
                notes.Undelivered(Entry("k", ROOM, hostile), "x", hostile),
                notes.Changed(frames.Membership(room=hostile, username=ME, member=True, by=hostile), mine=True),
                replace(connected(), server=hostile, username=hostile),
            )
            assert not any(map(is_dangerous, there.everything()))
            there.model.go_to(hostile)
            await there.show(notes.Cut(hostile, 1.0, 0, was_live=True, known=False))
            assert not any(map(is_dangerous, there.everything()))
            await there.press("ctrl+k")
            assert not any(map(is_dangerous, there.everything()))

    async def test_markup_in_a_message_is_shown_as_it_stands(self) -> None:
        async with stage() as there:
            hostile = "[red]x[/] [link=http://evil]y[/link] [@click=app.quit]z[/]"
            await there.show(said(4, content=hostile), notes.Complaint("[b]no[/b]"))
            shown = " ".join(there.timeline())
            assert "[red]x[/]" in shown
            assert "[b]no[/b]" in shown


class TestRoomsOfOnesOwn:
    async def test_that_a_room_is_made_is_said_there_and_that_it_is_private_is_known_at_once(self) -> None:
        async with stage() as there:
            created = frames.Created(id=1, room="den", private=True, at=Position("e1", 0))
            await there.show(notes.Answered(frames.Create(id=1, room="den", private=True), created))
            assert there.told == ["enter den"]
            await there.show(notes.Entered("den", ()))
            assert there.timeline()[-1] == "-- Room #den is made, for those who are invited."
            assert there.pane("heading")[0].split() == ["#den", "private"]
            await there.press("alt+2")
            assert "is made" not in " ".join(there.timeline())
