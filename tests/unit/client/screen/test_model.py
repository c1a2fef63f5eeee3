"""The model: what the screen says, whatever the core tells and people do, in any order."""

from itertools import product

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox.wire import frames
from client import events, notes
from client.entry import Entry
from client.screen import hearing, slashing
from client.screen.blocks import TOP
from client.screen.line import parts
from client.screen.listing import plain
from client.screen.memory import recall, remember
from client.screen.model import Model
from client.screen.pieces import text_of
from client.screen.rows import Look
from client.screen.view import Line
from client.screen.wants import Ask, Say
from tests.unit.client.world import ME, ROOM, World, message, room_state

LOOK = Look(60, ME)
HEIGHT = 10
ROOMS = st.sampled_from(["general", "ops"])
MOVES = ("serve", "serve", "serve", "receive", "receive", "cut", "connect", "connect", "wake")
HANDS = ("newest", "first_unread", "keep")
ACTIONS = st.one_of(
    st.tuples(st.just("write"), ROOMS),
    st.tuples(st.just("other"), ROOMS),
    st.tuples(st.just("many"), ROOMS),
    st.tuples(st.just("lose"), ROOMS),
    st.tuples(st.just("refuse"), st.integers(1, 3)),
    st.tuples(st.just("kill"), st.integers(0, 9)),
    st.tuples(st.just("go"), ROOMS),
    st.tuples(st.just("scroll"), st.integers(-9, 9)),
    st.tuples(st.just("attend"), st.booleans()),
    st.tuples(st.just("draft"), st.text("ab", min_size=1, max_size=5)),
    *[st.tuples(st.just(name), st.none()) for name in (*MOVES, *HANDS)],
)


class Watched(World):
    """A world with somebody at the screen, looked over the shoulder at each step. A kill takes the screen, too."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = b""
        self.drafts = {"general": "", "ops": ""}
        self.kept_drafts = dict(self.drafts)
        self.drawn: dict[str, set[int]] = {"general": set(), "ops": set()}
        """What somebody looked at, or said not to care for."""

    def start(self) -> None:
        self.model = Model("http://x", "general")
        recall(self.model, self.kept)
        self.drafts = dict(self.kept_drafts)
        super().start()
        self.feed(events.Entering("general"))

    def _perform(self, effect: events.Effect) -> None:
        super()._perform(effect)
        if isinstance(effect, events.Show):
            hearing.take(self.model, effect.note)

    def look(self) -> None:
        """Draw, do what the model wants, and hold what is shown against what is true."""
        self.model.outbox(self.state.unsent, self.state.in_flight)
        lines = self.model.lines(LOOK, HEIGHT)
        if self.model.attentive:
            self.drawn[self.model.room.name] |= {line.key.number for line in lines if line.key.kind == 1}
        self.model.wants.clear()
        self.nothing_is_shown_as_stored_that_is_not()
        self.each_is_shown_once_in_order(lines)
        self.nothing_counts_as_read_that_was_not_drawn()
        self.no_draft_is_lost()

    def nothing_is_shown_as_stored_that_is_not(self) -> None:
        for room in self.model.rooms.values():
            stored = {kept.at.offset: kept for kept in self.logs[room.name]}
            assert all(room.log[offset] == stored[offset] for offset in room.log.offsets)
            assert all(stored[at].content == entry.content for at, entry in room.landed.items())
            assert set(room.sending) == set(self.state.unsent.get(room.name, ()))

    def each_is_shown_once_in_order(self, lines: list[Line]) -> None:
        keys = list(dict.fromkeys(line.key for line in lines))
        assert keys == sorted(keys)
        texts = [text_of(line.row) for line in lines if line.key.kind == 1 and "│" in text_of(line.row)]
        assert len(texts) == len({text.partition("│")[2] for text in texts})

    def nothing_counts_as_read_that_was_not_drawn(self) -> None:
        for room in self.model.rooms.values():
            unread, missing = room.marker.unread(room.log, room.head)
            read = set(room.log.offsets) - {message.at.offset for message in unread}
            others = {offset for offset in read if room.log[offset].username != ME}
            assert others <= self.drawn[room.name]
            assert room.unread >= sum(message.username != ME for message in unread)
            if len(self.screens) == 1:
                assert room.unread == missing + sum(message.username != ME for message in unread)

    def no_draft_is_lost(self) -> None:
        for name, draft in self.drafts.items():
            assert name not in self.model.rooms or self.model.rooms[name].draft == draft

    def act(self, name: str, argument: object) -> None:
        match name, argument:
            case "write", str(room):
                self.write(room)
            case (("other" | "lose"), str(room)):
                self.other(room, lost=name == "lose")
            case "many", str(room):
                for _ in range(2 * HEIGHT):
                    self.other(room)
            case "refuse", int(times):
                self.refusals = times
            case "kill", int(after):
                self.kill_after = after if after < 4 else None
            case _:
                self.use(name, argument)
        self.look()

    def use(self, name: str, argument: object) -> None:
        """What hands do."""
        room = self.model.room
        match name, argument:
            case "go", str(other):
                self.model.go_to(other)
            case "scroll", int(by):
                self.model.scroll(by)
            case "attend", bool(attentive):
                self.model.attend(attentive=attentive)
            case "newest", _:
                if self.model.view.follows:
                    self.drawn[room.name] |= set(range(max(room.log.last, room.head) + 1))
                self.model.see_newest()
            case "first_unread", _:
                self.model.first_unread()
            case "draft", str(text):
                room.draft = self.drafts[room.name] = text
            case "keep", _:
                self.kept, self.kept_drafts = remember(self.model), dict(self.drafts)
            case _:
                getattr(self, name)()


class TestWhateverHappens:
    @settings(max_examples=80)
    @given(st.lists(ACTIONS, min_size=30, max_size=90))
    def test_the_screen_tells_the_truth_and_nothing_that_was_written_is_lost(
        self, actions: list[tuple[str, object]]
    ) -> None:
        world = Watched()
        world.start()
        world.settle()
        world.act("keep", None)
        for name, argument in actions:
            world.act(name, argument)
        world.refusals, world.kill_after = 0, None
        world.settle()
        world.cut()
        world.settle()
        world.look()
        for room in world.model.rooms.values():
            assert not room.sending
            assert not room.to_go
            assert not room.landed or not room.log
        for name, log in world.logs.items():
            assert [message.content for message in log if message.username == ME] == world.wrote[name]
        for name, room in product(world.logs, world.model.rooms.values()):
            if room.name == name and room.log.last:
                assert room.log.last == len(world.logs[name]) or len(world.screens) > 1


def model(*rooms: frames.RoomState) -> Model:
    made = Model("http://x", ROOM)
    hearing.take(made, notes.Connected(ME, rooms or (room_state(3), room_state(3, room="ops")), 0, again=False))
    made.lines(LOOK, 10)
    made.wants.clear()
    return made


def said(offset: int, *, room: str = ROOM, username: str = "bob") -> notes.Said:
    return notes.Said(message(offset, room=room, username=username), username == ME)


class TestComingBack:
    def test_how_much_was_missed_stays_on_the_screen(self) -> None:
        made = model()
        hearing.take(made, notes.CatchingUp(ROOM, 2))
        assert made.to_go == 2
        hearing.take(made, said(4))
        hearing.take(made, said(5))
        hearing.take(made, notes.CaughtUp(ROOM))
        assert made.to_go == 0
        assert plain(line.row for line in made.lines(LOOK, 10))[-1] == (
            "-- Caught up: 2 messages came while you were away."
        )


class TestOnesOwn:
    def test_what_was_stored_before_a_crash_does_not_wait_for_a_place_that_is_passed(self) -> None:
        made = model()
        hearing.take(made, said(90))
        hearing.take(made, notes.Stored(Entry("key", ROOM, "hello"), message(20).at))
        hearing.take(made, notes.Stored(Entry("next", ROOM, "again"), message(92).at))
        assert list(made.room.landed) == [92]
        hearing.take(made, said(91))
        hearing.take(made, said(92, username=ME))
        assert not made.room.landed


class TestUnread:
    def test_what_is_on_the_screen_is_read(self) -> None:
        made = model()
        hearing.take(made, said(4))
        made.lines(LOOK, 10)
        assert (made.room.unread, made.room.marker.read) == (0, 4)

    def test_what_rushed_past_above_the_screen_is_not(self) -> None:
        made = model()
        for offset in range(4, 204):
            hearing.take(made, said(offset))
        made.lines(LOOK, 10)
        assert (made.room.marker.read, made.above, made.room.line) == (3, 190, 3)
        assert "↑ 190 unread above" in parts(made.status, to_go=0, below=0, elsewhere=0, above=made.above)

    def test_it_is_read_by_reading_upwards_as_well_as_downwards(self) -> None:
        made = model()
        for offset in range(4, 204):
            hearing.take(made, said(offset))
        for _ in range(30):
            made.lines(LOOK, 10)
            made.scroll(-9)
        made.lines(LOOK, 10)
        assert (made.room.marker.read, made.room.unread) == (203, 0)

    def test_whoever_goes_to_the_newest_twice_does_not_care_for_it(self) -> None:
        made = model()
        for offset in range(4, 204):
            hearing.take(made, said(offset))
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
        hearing.take(made, said(4))
        made.lines(LOOK, 10)
        assert (made.room.unread, made.room.line) == (1, 3)
        made.attend(attentive=True)
        made.lines(LOOK, 10)
        assert (made.room.unread, made.room.line) == (0, 3)

    def test_what_was_said_in_a_room_before_one_came_is_not_unread(self) -> None:
        made = model()
        slashing.join(made, "dev")
        hearing.take(made, notes.Entered("dev", tuple(message(offset, room="dev") for offset in range(30, 60))))
        made.lines(LOOK, 10)
        hearing.take(made, said(60, room="dev"))
        made.lines(LOOK, 10)
        assert (made.room.unread, made.room.line) == (0, None)

    def test_elsewhere_it_is_counted_until_one_goes_there(self) -> None:
        made = model()
        hearing.take(made, said(4, room="ops"))
        assert (made.rooms["ops"].unread, made.rooms["ops"].line) == (1, 3)
        made.go_to("ops")
        made.lines(LOOK, 10)
        assert (made.room.unread, made.room.line) == (0, 3)

    def test_ones_own_words_from_another_window_are_not_unread(self) -> None:
        made = model()
        hearing.take(made, said(4, room="ops", username=ME))
        assert made.rooms["ops"].unread == 0

    def test_what_came_since_the_last_run_is_unread(self) -> None:
        made = Model("http://x", ROOM)
        made.place("ops").marker.read = 1
        made.place("ops").log.epoch = "e1"
        hearing.take(made, notes.Connected(ME, (room_state(3, room="ops"),), 0, again=False))
        assert (made.rooms["ops"].unread, made.rooms["ops"].line) == (2, 1)

    def test_of_another_history_nothing_is_known_to_be_unread(self) -> None:
        made = Model("http://x", ROOM)
        made.place("ops").marker.read = 1
        made.place("ops").log.epoch = "another"
        hearing.take(made, notes.Connected(ME, (room_state(3, room="ops"),), 0, again=False))
        assert made.rooms["ops"].unread == 0


class TestPages:
    def test_what_came_since_the_last_run_is_loaded_when_one_goes_there(self) -> None:
        made = Model("http://x", ROOM)
        made.place("ops").log.add([message(1, room="ops")])
        made.place("ops").marker.read = 1
        hearing.take(made, notes.Connected(ME, (room_state(3), room_state(3, room="ops")), 0, again=False))
        made.go_to("ops")
        made.lines(LOOK, 10)
        assert made.room.unread == 2
        commands = [want.command for want in made.wants if isinstance(want, Ask)]
        (asked,) = (command for command in commands if isinstance(command, frames.History))
        assert asked == frames.History(id=0, room="ops", limit=2)
        made.wants.clear()
        page = [message(offset, room="ops") for offset in (1, 2, 3)]
        hearing.take(made, notes.Answered(asked, frames.Page(id=1, room="ops", messages=page, more=False)))
        made.wants.clear()
        shown = plain(line.row for line in made.lines(LOOK, 10))
        assert any("message 3" in row for row in shown)
        assert (made.room.unread, made.wants) == (0, [])

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
        made.room.marker.read = 50
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
