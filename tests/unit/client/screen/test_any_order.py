"""Property test of the screen's state: any order of core events and user actions keeps its guarantees."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from client.core import events
from client.screen.layout.message_rows import RowStyle
from client.screen.layout.spans import text_of
from client.screen.layout.viewport import TimelineView, ViewportRow
from client.screen.model import update
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import encode_state, restore_state
from tests.unit.client.world import ME, World

STYLE = RowStyle(60, ME)
HEIGHT = 10
ROOMS = st.sampled_from(["general", "ops"])
WORLD_STEPS = ("serve", "serve", "serve", "receive", "receive", "cut", "connect", "connect", "wake")
USER_STEPS = ("newest", "mark_read", "first_unread", "save", "leave_thread")
STEPS = st.one_of(
    st.tuples(st.just("write"), ROOMS),
    st.tuples(st.just("other"), ROOMS),
    st.tuples(st.just("many"), ROOMS),
    st.tuples(st.just("lose"), ROOMS),
    st.tuples(st.just("refuse"), st.integers(1, 3)),
    st.tuples(st.just("kill"), st.integers(0, 9)),
    st.tuples(st.just("open"), ROOMS),
    st.tuples(st.just("scroll"), st.integers(-9, 9)),
    st.tuples(st.just("focus"), st.booleans()),
    st.tuples(st.just("draft"), st.text("ab", min_size=1, max_size=5)),
    st.tuples(st.just("thread"), st.integers(1, 30)),
    *[st.tuples(st.just(name), st.none()) for name in (*WORLD_STEPS, *USER_STEPS)],
)


class ScreenWorld(World):
    """A world with a screen whose state is checked after each step. A kill also ends the screen."""

    def __init__(self) -> None:
        super().__init__()
        self.saved = b""
        self.drafts = {"general": "", "ops": ""}
        self.saved_drafts = dict(self.drafts)
        self.drawn: dict[str, set[int]] = {"general": set(), "ops": set()}
        """Offsets that were drawn with focus, or marked as read by the user."""

    def start(self) -> None:
        self.model = ChatModel("http://x", "general")
        self.view = TimelineView(self.model)
        restore_state(self.model, self.saved)
        self.drafts = dict(self.saved_drafts)
        super().start()
        self.feed(events.RoomRequested("general"))

    def _perform(self, effect: events.Effect) -> None:
        super()._perform(effect)
        if isinstance(effect, events.ShowNote):
            update.apply(self.model, effect.note)

    def check(self) -> None:
        """Draw, drop the model's requests, and compare what is shown with the server's messages."""
        self.model.set_outbox(self.state.unsent, self.state.in_flight)
        rows = self.view.draw(STYLE, HEIGHT)
        if self.model.focused:
            self.drawn[self.model.room.name] |= {row.key.number for row in rows if row.key.is_message}
        self.model.requests.clear()
        self.check_stored_messages()
        self.check_rows(rows)
        self.check_read_messages()
        self.check_drafts()

    def check_stored_messages(self) -> None:
        """Only stored messages are shown as stored."""
        for room in self.model.rooms.values():
            stored = {message.at.offset: message for message in self.logs[room.name]}
            assert all(room.log[offset] == stored[offset] for offset in room.log.offsets)
            assert all(stored[at].content == entry.content for at, entry in room.acked.items())
            assert set(room.outbox) == set(self.state.unsent.get(room.name, ()))

    def check_rows(self, rows: list[ViewportRow]) -> None:
        """Messages are shown once and in order."""
        keys = list(dict.fromkeys(row.key for row in rows))
        assert keys == sorted(keys)
        texts = [text_of(row.row) for row in rows if row.key.is_message and "│" in text_of(row.row)]
        assert len(texts) == len({text.partition("│")[2] for text in texts})

    def check_read_messages(self) -> None:
        """Only drawn messages are read."""
        for room in self.model.rooms.values():
            unread, missing = room.progress.marker.unread(room.log, room.progress.head)
            read = set(room.log.offsets) - {message.at.offset for message in unread}
            others = {offset for offset in read if room.log[offset].username != ME}
            assert others <= self.drawn[room.name]
            loaded = sum(message.username != ME for message in unread)
            assert room.unread >= loaded
            if len(self.screens) == 1:  # of those that are not loaded, the server knows which are the user's own
                assert room.unread <= missing + loaded
                assert room.progress.told is not None or room.unread == missing + loaded

    def check_drafts(self) -> None:
        """No draft is lost."""
        for name, draft in self.drafts.items():
            room = self.model.rooms.get(name)
            assert room is None or room.thread is not None or room.input.draft == draft

    def step(self, name: str, argument: object) -> None:
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
        self.check()

    def use(self, name: str, argument: object) -> None:
        """What the user does."""
        room = self.model.room
        match name, argument:
            case "open", str(other):
                self.model.open_room(other)
            case "scroll", int(by):
                self.view.scroll(by)
            case "focus", bool(focused):
                self.model.set_focus(focused=focused)
            case "newest", _:
                self.model.follow()
            case "mark_read", _:
                self.drawn[room.name] |= set(range(max(room.log.last, room.progress.head) + 1))
                self.model.mark_all_read()
            case "first_unread", _:
                self.view.show_first_unread()
            case "draft", str(text):
                if room.thread is None:
                    self.drafts[room.name] = text
                room.input.set_draft(text)
            case "thread", int(root):
                self.model.open_thread(root)
            case "leave_thread", _:
                self.model.close_thread()
            case "save", _:
                self.saved, self.saved_drafts = encode_state(self.model), dict(self.drafts)
            case _:
                getattr(self, name)()

    def end_faults(self) -> None:
        self.refusals, self.kill_after = 0, None


@settings(max_examples=80)
@given(st.lists(STEPS, min_size=30, max_size=90))
def test_screen_shows_only_stored_messages_as_stored_and_loses_no_text_in_any_order_of_steps(
    steps: list[tuple[str, object]],
) -> None:
    world = ScreenWorld()
    world.start()
    world.settle()
    world.step("save", None)
    for name, argument in steps:
        world.step(name, argument)
    world.end_faults()
    world.settle()
    world.cut()
    world.settle()
    world.check()
    for room in world.model.rooms.values():
        assert not room.outbox
        assert not room.catch_up_remaining
        is_loaded = room.log and room.log.last >= room.progress.head  # requested pages are not answered here
        assert not room.acked or not is_loaded
    for name, log in world.logs.items():
        assert [message.content for message in log if message.username == ME] == world.wrote[name]
    for name, room in product(world.logs, world.model.rooms.values()):
        if room.name == name and room.log.last:
            assert room.log.last == len(world.logs[name]) or len(world.screens) > 1
