"""Mentions among what was missed: looked for when the client starts, and counted once."""

import msgspec

from chatterbox.wire import frames
from client.core import notes
from client.screen.layout.message_rows import RowStyle
from client.screen.model import update
from client.screen.model.chat_model import ChatModel
from client.screen.model.effects import RequestCommand
from tests.unit.client.world import ME, ROOM, message, room_state

LOOK = RowStyle(60, ME)


class TestMentionsFromBeforeTheStart:
    """Rooms are opened with what was read the last time; what came since is looked through, one page a room."""

    def opened(self, *rooms: frames.RoomState, read: int = 3) -> ChatModel:
        made = ChatModel("http://x", ROOM)
        for room in rooms:
            made.place(room.room).log.epoch, made.place(room.room).marker.read = room.at.epoch, read
        update.take(made, notes.WelcomeReceived(ME, (room_state(3), *rooms), 0, again=False))
        return made

    def asked(self, made: ChatModel) -> list[frames.ReadHistory]:
        """The pages that were asked for since the last look."""
        commands = [want.command for want in made.wants if isinstance(want, RequestCommand)]
        made.wants.clear()
        return [command for command in commands if isinstance(command, frames.ReadHistory)]

    def answer(self, made: ChatModel, asked: frames.ReadHistory, *contents: str, last: int) -> None:
        first = last - len(contents) + 1
        page = [
            msgspec.structs.replace(message(offset, room=asked.room), content=content)
            for offset, content in enumerate(contents, first)
        ]
        update.take(
            made, notes.CommandAnswered(asked, frames.Page(id=1, room=asked.room, messages=page, more=first > 1))
        )

    def test_are_counted_among_what_is_unread_and_no_further(self) -> None:
        made = self.opened(room_state(6, room="ops"))
        [asked] = self.asked(made)
        assert asked == frames.ReadHistory(id=0, room="ops", limit=3)
        self.answer(made, asked, f"read: {ME}", f"{ME}: one", "two", f"@{ME} three", last=6)
        assert (made.rooms["ops"].unread, made.rooms["ops"].mentions) == (3, 2)

    def test_are_asked_for_one_room_after_the_other_and_a_page_of_each(self) -> None:
        made = self.opened(room_state(900, room="ops"), room_state(5, room="dev"), room_state(3, room="read"))
        [first] = self.asked(made)
        assert (first.room, first.limit) == ("ops", 200)
        self.answer(made, first, *["x"] * 200, last=900)
        [second] = self.asked(made)
        assert second.room == "dev"
        update.take(made, notes.CommandRefused(second, "unavailable", "Away."))
        assert self.asked(made) == []

    def test_are_asked_for_again_where_the_connection_was_lost_before_the_answer(self) -> None:
        made = self.opened(room_state(6, room="ops"))
        [asked] = self.asked(made)
        update.take(made, notes.Disconnected("cut", 1.0, 0, was_live=True, known=False))
        update.take(made, notes.WelcomeReceived(ME, (room_state(3), room_state(6, room="ops")), 0, again=True))
        assert self.asked(made) == [asked]

    def test_that_came_live_meanwhile_are_counted_once(self) -> None:
        made = self.opened(room_state(4, room="ops"))
        [asked] = self.asked(made)
        live = msgspec.structs.replace(message(5, room="ops"), content=f"{ME}!")
        update.take(made, notes.MessageShown(live, mine=False))
        self.answer(made, asked, f"{ME}?", f"{ME}!", last=5)
        assert (made.rooms["ops"].unread, made.rooms["ops"].mentions) == (2, 2)

    def test_are_nothing_to_who_looks_at_the_room(self) -> None:
        made = self.opened(room_state(6, room="ops"))
        [asked] = self.asked(made)
        made.go_to("ops")
        self.answer(made, asked, f"{ME}: one", last=6)
        made.lines(LOOK, 10)
        assert made.rooms["ops"].mentions == 0
