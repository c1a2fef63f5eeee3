"""The model under everything that may happen: what the core tells and people do, in any order."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from client.core import events
from client.screen.layout.message_rows import RowStyle
from client.screen.layout.spans import text_of
from client.screen.layout.viewport import ViewportRow
from client.screen.model import update
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import recall, remember
from tests.unit.client.world import ME, World

LOOK = RowStyle(60, ME)
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
        self.model = ChatModel("http://x", "general")
        recall(self.model, self.kept)
        self.drafts = dict(self.kept_drafts)
        super().start()
        self.feed(events.RoomRequested("general"))

    def _perform(self, effect: events.Effect) -> None:
        super()._perform(effect)
        if isinstance(effect, events.ShowNote):
            update.take(self.model, effect.note)

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

    def each_is_shown_once_in_order(self, lines: list[ViewportRow]) -> None:
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
            is_loaded = room.log and room.log.last >= room.head  # no page is answered here
            assert not room.landed or not is_loaded
        for name, log in world.logs.items():
            assert [message.content for message in log if message.username == ME] == world.wrote[name]
        for name, room in product(world.logs, world.model.rooms.values()):
            if room.name == name and room.log.last:
                assert room.log.last == len(world.logs[name]) or len(world.screens) > 1
