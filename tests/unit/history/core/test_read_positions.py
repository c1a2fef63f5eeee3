"""Read positions: (turn, offset), of which the greatest counts."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.history_api import ReadPosition
from services.history.core.read_positions import ReadPoint, advanced, unread

HEAD = 9
points = st.builds(ReadPoint, st.integers(0, 3), st.integers(0, HEAD))
reported = st.builds(ReadPosition, st.just(1), st.just(7), st.integers(0, HEAD + 3), st.none() | st.integers(0, 3))


def test_a_later_offset_of_the_same_turn_counts() -> None:
    assert advanced(ReadPoint(0, 3), [ReadPosition(1, 7, 5, 0)], HEAD) == (0, 5)


def test_a_position_of_the_next_turn_marks_as_unread() -> None:
    assert advanced(ReadPoint(0, 8), [ReadPosition(1, 7, 2, 1)], HEAD) == (1, 2)


def test_a_late_position_of_an_earlier_turn_does_not_undo_marking_as_unread() -> None:
    assert advanced(ReadPoint(1, 2), [ReadPosition(1, 7, 8, 0)], HEAD) == (1, 2)


def test_a_position_without_a_turn_is_of_the_stored_turn() -> None:
    assert advanced(ReadPoint(3, 2), [ReadPosition(1, 7, 4)], HEAD) == (3, 4)
    assert advanced(ReadPoint(3, 2), [ReadPosition(1, 7, 8), ReadPosition(1, 7, 1, 4)], HEAD) == (4, 1)


def test_a_position_beyond_the_head_counts_as_the_head() -> None:
    assert advanced(ReadPoint(0, 3), [ReadPosition(1, 7, 10**9)], HEAD) == (0, HEAD)


@given(points, st.lists(reported, max_size=4))
def test_a_stored_position_never_falls(stored: ReadPoint, positions: list[ReadPosition]) -> None:
    assert advanced(stored, positions, HEAD) >= stored


@given(points, st.lists(reported.filter(lambda position: position.turn is not None), max_size=4))
def test_positions_with_turns_may_come_in_any_order_and_again(stored: ReadPoint, positions: list[ReadPosition]) -> None:
    at_once = advanced(stored, positions, HEAD)
    for order in permutations(positions):
        point = stored
        for position in (*order, *order):
            point = advanced(point, [position], HEAD)
        assert point == at_once


def test_unread_messages_are_told_up_to_999() -> None:
    assert [unread(10, 3), unread(999, 0), unread(1000, 0), unread(1998, 1000)] == [7, 999, 999, 998]
