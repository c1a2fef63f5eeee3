"""Order of the room list: joining order, rooms moved by hand, pinned rooms."""

from hypothesis import given
from hypothesis import strategies as st

from client.screen.model.rooms.room_order import RoomOrder

NAMES = st.sampled_from("abcde")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), NAMES),
        st.tuples(st.just("remove"), NAMES),
        st.tuples(st.just("pin"), NAMES),
        st.tuples(st.just("up"), NAMES),
        st.tuples(st.just("down"), NAMES),
    )
)


def ordered(*names: str) -> RoomOrder:
    order = RoomOrder()
    for name in names:
        order.add(name)
    return order


def test_new_room_goes_to_the_end_of_the_list() -> None:
    assert ordered("ops", "zoo", "alpha", "ops").names == ["ops", "zoo", "alpha"]


def test_room_moves_by_one_place_and_stops_at_the_ends() -> None:
    order = ordered("a", "b", "c")
    assert order.move("c", -1)
    assert order.names == ["a", "c", "b"]
    assert not order.move("a", -1)
    assert not order.move("b", 1)
    assert not order.move("unknown", 1)
    assert order.names == ["a", "c", "b"]


def test_direct_conversations_are_moved_among_themselves() -> None:
    order = ordered("a", "@x", "b", "@y")
    assert order.move("@y", -1)
    assert order.names == ["a", "@y", "b", "@x"]
    assert not order.move("@y", -1)
    assert order.move("b", -1)
    assert order.names == ["b", "@y", "a", "@x"]


def test_pinned_rooms_stay_above_the_others() -> None:
    order = ordered("a", "b", "c")
    assert order.toggle_pin("c")
    assert order.names == ["c", "a", "b"]
    assert not order.move("a", -1)
    assert not order.move("c", 1)
    assert order.toggle_pin("b")
    assert order.names == ["c", "b", "a"]
    assert not order.toggle_pin("c")
    assert order.names == ["b", "c", "a"]


def test_room_that_was_left_loses_its_place_and_its_pin() -> None:
    order = ordered("a", "b")
    order.toggle_pin("b")
    order.remove("b")
    order.add("b")
    assert (order.names, order.pinned) == (["a", "b"], set())


def test_damaged_saved_order_is_repaired() -> None:
    order = RoomOrder()
    order.restore(["a", "b", "a", "c"], ["c", "unknown"])
    assert (order.names, order.pinned) == (["c", "a", "b"], {"c"})


@given(STEPS)
def test_pinned_rooms_come_first_and_each_room_is_listed_once_whatever_is_done(steps: list[tuple[str, str]]) -> None:
    order = RoomOrder()
    for what, name in steps:
        match what:
            case "add":
                order.add(name)
            case "remove":
                order.remove(name)
            case "pin":
                order.toggle_pin(name)
            case _:
                order.move(name, -1 if what == "up" else 1)
    assert len(order.names) == len(set(order.names))
    assert order.pinned <= set(order.names)
    pins = [name in order.pinned for name in order.names]
    assert pins == sorted(pins, reverse=True)
