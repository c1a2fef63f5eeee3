"""The model: what the screen says, whatever the core tells and people do, in any order."""

from itertools import product

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox.wire import frames
from client import events, notes
from client.screen import hearing, slashing
from client.screen.blocks import TOP
from client.screen.listing import plain
from client.screen.model import Model
from client.screen.rows import Look
from client.screen.wants import Ask, Say
from tests.unit.client.world import ME, ROOM, World, message, room_state

LOOK = Look(60, ME)
MOVES = ("serve", "serve", "serve", "receive", "receive", "cut", "connect", "connect", "wake")
ACTIONS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(["general", "ops"])),
    st.tuples(st.just("other"), st.sampled_from(["general", "ops"])),
    st.tuples(st.just("lose"), st.sampled_from(["general", "ops"])),
    st.tuples(st.just("refuse"), st.integers(1, 3)),
    st.tuples(st.just("go"), st.sampled_from(["general", "ops"])),
    st.tuples(st.just("scroll"), st.integers(-9, 9)),
    st.tuples(st.just("draft"), st.text("ab", min_size=1, max_size=5)),
    *[st.tuples(st.just(name), st.none()) for name in MOVES],
)


class Watched(World):
    """A world with somebody at the screen, who is looked over the shoulder at each step."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model("http://x", "general")
        self.drafts = {"general": "", "ops": ""}

    def _perform(self, effect: events.Effect) -> None:
        super()._perform(effect)
        if isinstance(effect, events.Show):
            hearing.take(self.model, effect.note)
            self.look()

    def look(self) -> None:
        """Draw, do what the model wants, and hold what is shown against what is true."""
        self.model.outbox(self.state.unsent, self.state.in_flight)
        self.model.lines(LOOK, 10)
        self.model.wants.clear()
        self.nothing_is_shown_as_stored_that_is_not()
        self.no_draft_is_lost()

    def nothing_is_shown_as_stored_that_is_not(self) -> None:
        for room in self.model.rooms.values():
            stored = {kept.at.offset: kept for kept in self.logs[room.name]}
            assert all(room.log[offset] == stored[offset] for offset in room.log.offsets)
            assert all(stored[at].content == entry.content for at, entry in room.landed.items())
            assert set(room.sending) == set(self.state.unsent.get(room.name, ()))

    def no_draft_is_lost(self) -> None:
        for name, draft in self.drafts.items():
            assert name not in self.model.rooms or self.model.rooms[name].draft == draft

    def act(self, name: str, argument: object) -> None:
        match name, argument:
            case "write", str(room):
                self.write(room)
            case (("other" | "lose"), str(room)):
                self.other(room, lost=name == "lose")
            case "refuse", int(times):
                self.refusals = times
            case "go", str(room):
                self.model.go_to(room)
            case "scroll", int(by):
                self.model.scroll(by)
            case "draft", str(text):
                self.model.room.draft = self.drafts[self.model.room.name] = text
            case _:
                getattr(self, name)()
        self.look()


class TestWhateverHappens:
    @settings(max_examples=60)
    @given(st.lists(ACTIONS, min_size=30, max_size=90))
    def test_nothing_is_shown_as_stored_that_is_not_and_no_draft_is_lost(
        self, actions: list[tuple[str, object]]
    ) -> None:
        world = Watched()
        world.start()
        world.settle()
        for name, argument in actions:
            world.act(name, argument)
        world.refusals = 0
        world.settle()
        world.cut()
        world.settle()
        world.look()
        assert all(not room.sending and not room.landed and not room.to_go for room in world.model.rooms.values())
        for name, room in product(world.logs, world.model.rooms.values()):
            if room.name == name and room.log:
                assert room.log.last == len(world.logs[name])


def model(*rooms: frames.RoomState) -> Model:
    made = Model("http://x", ROOM)
    hearing.take(made, notes.Connected(ME, rooms or (room_state(3), room_state(3, room="ops")), 0, again=False))
    made.lines(LOOK, 10)
    made.wants.clear()
    return made


def said(offset: int, *, room: str = ROOM, username: str = "bob") -> notes.Said:
    return notes.Said(message(offset, room=room, username=username), username == ME)


class TestUnread:
    def test_what_is_on_the_screen_is_read(self) -> None:
        made = model()
        hearing.take(made, said(4))
        assert (made.room.unread, made.room.read) == (0, 4)

    def test_elsewhere_it_is_counted_until_one_goes_there(self) -> None:
        made = model()
        hearing.take(made, said(4, room="ops"))
        assert (made.rooms["ops"].unread, made.rooms["ops"].line) == (1, 3)
        made.go_to("ops")
        assert (made.room.unread, made.room.line) == (0, 3)

    def test_ones_own_words_from_another_window_are_not_unread(self) -> None:
        made = model()
        hearing.take(made, said(4, room="ops", username=ME))
        assert made.rooms["ops"].unread == 0

    def test_what_came_since_the_last_run_is_unread(self) -> None:
        made = Model("http://x", ROOM)
        made.place("ops").read = 1
        made.place("ops").log.epoch = "e1"
        hearing.take(made, notes.Connected(ME, (room_state(3, room="ops"),), 0, again=False))
        assert (made.rooms["ops"].unread, made.rooms["ops"].line) == (2, 1)

    def test_of_another_history_nothing_is_known_to_be_unread(self) -> None:
        made = Model("http://x", ROOM)
        made.place("ops").read = 1
        made.place("ops").log.epoch = "another"
        hearing.take(made, notes.Connected(ME, (room_state(3, room="ops"),), 0, again=False))
        assert made.rooms["ops"].unread == 0


class TestPages:
    def test_no_page_is_asked_for_twice(self) -> None:
        made = model()
        hearing.take(made, said(40))
        made.lines(LOOK, 10)
        made.lines(LOOK, 10)
        asked = [want for want in made.wants if isinstance(want, Ask)]
        assert asked == [Ask(frames.History(id=0, room=ROOM, before=40, limit=100))]

    def test_a_refused_page_is_asked_for_again_when_somebody_scrolls(self) -> None:
        made = model()
        hearing.take(made, said(40))
        made.lines(LOOK, 10)
        made.wants.clear()
        hearing.take(
            made, notes.Refused(frames.History(id=1, room=ROOM, before=40, limit=100), "rate_limited", "Slowly.")
        )
        made.lines(LOOK, 10)
        assert made.wants == []
        made.scroll(-1)
        made.lines(LOOK, 10)
        assert len(made.wants) == 1

    def test_an_unread_line_far_away_is_fetched_and_shown(self) -> None:
        made = model()
        made.room.line = 50
        hearing.take(made, said(900))
        made.lines(LOOK, 10)
        assert made.first_unread()
        asked = frames.History(id=0, room=ROOM, after=50, limit=100)
        assert Ask(asked) in made.wants
        page = frames.Page(id=1, room=ROOM, messages=[message(offset) for offset in range(51, 151)], more=True)
        hearing.take(made, notes.Answered(asked, page))
        shown = plain(line.row for line in made.lines(LOOK, 10))
        assert any("message 51" in row for row in shown)
        assert any("unread" in row for row in shown)

    @given(st.sets(st.integers(1, 300), min_size=1), st.integers(3, 40))
    def test_what_history_has_not_is_not_asked_for_for_ever(self, stored: set[int], height: int) -> None:
        made = model()
        hearing.take(made, said(301))
        for _ in range(400):
            made.lines(LOOK, height)
            if not made.wants:
                break
            for want in made.wants:
                assert isinstance(want, Ask)
                self._answer(made, want.command, sorted(stored))
            made.wants.clear()
            made.show_message(TOP)
        assert made.room.log.offsets == [*sorted(stored), 301]
        assert made.room.log.complete

    def _answer(self, made: Model, asked: frames.Command, stored: list[int]) -> None:
        """As history does it."""
        assert isinstance(asked, frames.History)
        before = [offset for offset in stored if offset < (asked.before or 0)]
        page = [message(offset) for offset in before[-asked.limit :]]
        answer = frames.Page(id=1, room=ROOM, messages=page, more=len(before) > asked.limit)
        hearing.take(made, notes.Answered(asked, answer))

    def test_a_reset_takes_away_what_is_of_another_history(self) -> None:
        made = model()
        hearing.take(made, said(4))
        hearing.take(made, notes.Reset(ROOM, room_state(1, epoch="e2").at))
        hearing.take(made, notes.Said(message(2, epoch="e2"), mine=False))
        assert made.room.log.offsets == [2]
        assert made.room.log.epoch == "e2"


class TestSaying:
    def test_what_the_outbox_refuses_comes_back_before_what_was_written_since(self) -> None:
        made = model()
        slashing.submit(made, "first")
        made.room.draft = "second"
        made.not_taken(Say(ROOM, "first"), "The disk is full.")
        assert made.room.draft == "first\nsecond"

    def test_outside_of_a_room_nothing_is_said(self) -> None:
        made = model()
        hearing.take(made, notes.Gone(ROOM))
        assert not slashing.submit(made, "hello")
        assert made.wants == []


class TestMentionsFromBeforeTheStart:
    """Rooms are opened with what was read the last time; what came since is looked through, one page a room."""

    def opened(self, *rooms: frames.RoomState, read: int = 3) -> Model:
        made = Model("http://x", ROOM)
        for room in rooms:
            made.place(room.room).log.epoch, made.place(room.room).read = room.at.epoch, read
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
        assert made.rooms["ops"].mentions == 0
