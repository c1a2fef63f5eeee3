"""Mentions among what was missed: looked for when the client starts, and counted once."""

import msgspec

from chatterbox.wire import frames
from client import notes
from client.screen import hearing
from client.screen.model import Model
from client.screen.rows import Look
from client.screen.wants import Ask
from tests.unit.client.world import ME, ROOM, message, room_state

LOOK = Look(60, ME)


class TestMentionsFromBeforeTheStart:
    """Rooms are opened with what was read the last time; what came since is looked through, one page a room."""

    def opened(self, *rooms: frames.RoomState, read: int = 3) -> Model:
        made = Model("http://x", ROOM)
        for room in rooms:
            made.place(room.room).log.epoch, made.place(room.room).marker.read = room.at.epoch, read
        hearing.take(made, notes.Connected(ME, (room_state(3), *rooms), 0, again=False))
        return made

    def asked(self, made: Model) -> list[frames.History]:
        """The pages that were asked for since the last look."""
        commands = [want.command for want in made.wants if isinstance(want, Ask)]
        made.wants.clear()
        return [command for command in commands if isinstance(command, frames.History)]

    def answer(self, made: Model, asked: frames.History, *contents: str, last: int) -> None:
        first = last - len(contents) + 1
        page = [
            msgspec.structs.replace(message(offset, room=asked.room), content=content)
            for offset, content in enumerate(contents, first)
        ]
        hearing.take(made, notes.Answered(asked, frames.Page(id=1, room=asked.room, messages=page, more=first > 1)))

    def test_are_counted_among_what_is_unread_and_no_further(self) -> None:
        made = self.opened(room_state(6, room="ops"))
        [asked] = self.asked(made)
        assert asked == frames.History(id=0, room="ops", limit=3)
        self.answer(made, asked, f"read: {ME}", f"{ME}: one", "two", f"@{ME} three", last=6)
        assert (made.rooms["ops"].unread, made.rooms["ops"].mentions) == (3, 2)

    def test_are_asked_for_one_room_after_the_other_and_a_page_of_each(self) -> None:
        made = self.opened(room_state(900, room="ops"), room_state(5, room="dev"), room_state(3, room="read"))
        [first] = self.asked(made)
        assert (first.room, first.limit) == ("ops", 200)
        self.answer(made, first, *["x"] * 200, last=900)
        [second] = self.asked(made)
        assert second.room == "dev"
        hearing.take(made, notes.Refused(second, "unavailable", "Away."))
        assert self.asked(made) == []

    def test_are_asked_for_again_where_the_connection_was_lost_before_the_answer(self) -> None:
        made = self.opened(room_state(6, room="ops"))
        [asked] = self.asked(made)
        hearing.take(made, notes.Cut("cut", 1.0, 0, was_live=True, known=False))
        hearing.take(made, notes.Connected(ME, (room_state(3), room_state(6, room="ops")), 0, again=True))
        assert self.asked(made) == [asked]

    def test_that_came_live_meanwhile_are_counted_once(self) -> None:
        made = self.opened(room_state(4, room="ops"))
        [asked] = self.asked(made)
        live = msgspec.structs.replace(message(5, room="ops"), content=f"{ME}!")
        hearing.take(made, notes.Said(live, mine=False))
        self.answer(made, asked, f"{ME}?", f"{ME}!", last=5)
        assert (made.rooms["ops"].unread, made.rooms["ops"].mentions) == (2, 2)

    def test_are_nothing_to_who_looks_at_the_room(self) -> None:
        made = self.opened(room_state(6, room="ops"))
        [asked] = self.asked(made)
        made.go_to("ops")
        self.answer(made, asked, f"{ME}: one", last=6)
        made.lines(LOOK, 10)
        assert made.rooms["ops"].mentions == 0
