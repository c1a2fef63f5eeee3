"""The core as a whole: its promises hold in any order of events."""

from itertools import pairwise, product

from hypothesis import given, settings
from hypothesis import strategies as st

from client.core.read_state.room_read_state import ReadMark
from tests.unit.client.world import ME, World, two_devices

ROOMS = st.sampled_from(["general", "ops"])
MOVES = ("serve", "serve", "serve", "serve", "receive", "receive", "receive", "cut", "connect", "connect", "wake")
BASIC = (
    st.tuples(st.just("write"), ROOMS),
    st.tuples(st.just("other"), ROOMS),
    st.tuples(st.just("lose"), ROOMS),
    st.tuples(st.just("refuse"), st.integers(1, 3)),
    st.tuples(st.just("kill"), st.integers(0, 30)),
    *[st.tuples(st.just(name), st.none()) for name in MOVES],
)
CHANGES = (
    st.tuples(st.just("change"), st.tuples(ROOMS, st.integers(0, 20))),
    st.tuples(st.just("lose change"), st.tuples(ROOMS, st.integers(0, 20))),
)
ACTIONS = st.one_of(*BASIC, *CHANGES)
READS = (
    st.tuples(st.just("read"), ROOMS),
    st.tuples(st.just("read"), ROOMS),
    st.tuples(st.just("mark unread"), st.tuples(ROOMS, st.integers(0, 12))),
    st.tuples(st.just("lose own"), st.integers(1, 2)),
    st.tuples(st.just("pass_signal"), st.none()),
)
DEVICE = st.integers(0, 1)
EDITS = st.one_of(*BASIC, st.tuples(st.just("edit"), ROOMS), st.tuples(st.just("edit"), ROOMS))


def act(world: World, name: str, argument: object) -> None:
    match name, argument:
        case "write", str(room):
            world.write(room)
        case "edit", str(room):
            world.edit(room)
        case "other", str(room):
            world.other(room)
        case "lose", str(room):
            world.other(room, lost=True)
        case "change", (str(room), int(which)):
            world.change(room, which)
        case "lose change", (str(room), int(which)):
            world.change(room, which, lost=True)
        case "mark unread", (str(room), int(offset)):
            world.mark_unread(room, offset)
        case "read", str(room):
            world.read(room)
        case "lose own", int(times):
            world.lost_owns = times
        case "refuse", int(times):
            world.refusals = times
        case "kill", int(after):
            world.kill_after = after if after < 6 else None
        case _:
            getattr(world, name)()


def lived(actions: list[tuple[str, object]], *, saves: bool = False) -> World:
    world = World(saves=saves)
    world.start()
    world.settle()
    for name, argument in actions:
        act(world, name, argument)
    world.kill_after, world.refusals = None, 0
    world.settle()
    return world


def settle_all(devices: tuple[World, World]) -> None:
    """Let both devices run until nothing moves: what one of them does may reach the other."""
    for _ in range(3):
        for device in devices:
            device.settle()


def assert_read_states_are_those_of_the_server(device: World) -> None:
    for room in device.logs:
        state = device.state.read_states[room]
        assert (state.mark, state.unsaid) == (device.reads[room], None)
        assert device.reads[room] <= device.ever_said[room]
        assert state.unread == device.unread(room)


class TestAnyOrderOfEvents:
    @settings(max_examples=80)
    @given(st.lists(ACTIONS, min_size=50, max_size=120))
    def test_every_message_is_stored_once_and_shown_in_order_whatever_happens(
        self, actions: list[tuple[str, object]]
    ) -> None:
        world = lived(actions)
        for room, log in world.logs.items():
            mine = [message for message in log if message.username == ME]
            assert len(mine) == len(world.wrote[room])
            assert all(message.rev or message.content == world.wrote[room][n] for n, message in enumerate(mine))
        assert not world.disk
        assert not world.state.unsent_count
        for screen, room in product(world.screens, world.logs):
            offsets = [message.at.offset for message in screen if message.room == room]
            assert all(later == earlier + 1 for earlier, later in pairwise(offsets))
        world.cut()
        world.settle()
        for room, log in world.logs.items():
            assert world.state.streams[room].at.offset == len(log)

    @settings(max_examples=80)
    @given(st.lists(ACTIONS, min_size=50, max_size=120), st.booleans())
    def test_held_messages_are_as_they_are_stored_now_whatever_happens(
        self, actions: list[tuple[str, object]], saves: bool
    ) -> None:
        world = lived(actions, saves=saves)
        world.cut()
        world.settle()
        for room, held in world.held.items():
            assert held == {offset: world.logs[room][offset - 1] for offset in held}
            assert world.state.streams[room].rev == world.revs[room]
        assert not world.state.pending

    @settings(max_examples=80)
    @given(st.lists(EDITS, min_size=50, max_size=120))
    def test_unsent_message_ends_as_it_was_edited_and_is_stored_once_whatever_happens(
        self, actions: list[tuple[str, object]]
    ) -> None:
        world = lived(actions)
        for room, log in world.logs.items():
            assert [message.content for message in log if message.username == ME] == world.wrote[room]
        assert not world.disk
        assert not world.state.unsent_count

    @settings(max_examples=80)
    @given(st.lists(st.tuples(DEVICE, st.one_of(*BASIC, *READS)), min_size=40, max_size=120))
    def test_two_devices_agree_on_what_is_read_whatever_happens(
        self, actions: list[tuple[int, tuple[str, object]]]
    ) -> None:
        devices = two_devices()
        for device in devices:
            device.start()
            device.settle()
        for which, (name, argument) in actions:
            act(devices[which], name, argument)
        for device in devices:
            device.kill_after, device.refusals, device.lost_owns = None, 0, 0
        settle_all(devices)
        for device in devices:
            for room, said in device.said_marks.items():
                assert device.reads[room] >= min(said, ReadMark(said.turn, len(device.logs[room])))
            if not device.missed:
                assert_read_states_are_those_of_the_server(device)
        for device in devices:
            device.cut()  # what was lost is healed by the next welcome
        settle_all(devices)
        for device in devices:
            assert_read_states_are_those_of_the_server(device)

    def test_shown_messages_are_the_stored_ones(self) -> None:
        world = lived([("other", "ops"), ("lose", "ops"), ("write", "ops"), ("serve", None), ("other", "ops")])
        assert len(world.screens[0]) == 4
        assert world.screens == [world.logs["ops"]]
