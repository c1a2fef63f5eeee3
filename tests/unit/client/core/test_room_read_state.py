"""The read state of one room: marks are a lattice, and counts are those of the messages."""

from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.read_state import MOST_TOLD, ReadState
from client.core.read_state import room_read_state
from client.core.read_state.room_read_state import LATER_LIMIT, ReadMark, RoomReadState
from tests.unit.client.world import ME, message

TOLD = st.builds(
    ReadState, read=st.integers(0, 9), turn=st.integers(0, 3), unread=st.integers(0, 9), counted=st.integers(9, 12)
)
MARKS = st.builds(ReadMark, st.integers(0, 3), st.integers(0, 9))


class TestMarks:
    @given(st.lists(st.one_of(TOLD, MARKS), max_size=12), st.randoms(use_true_random=False))
    def test_greatest_mark_counts_in_any_order(self, said: list[ReadState | ReadMark], random: object) -> None:
        state = RoomReadState()
        for one in said:
            mark = state.mark
            state = (
                room_read_state.take_told(state, one)
                if isinstance(one, ReadState)
                else room_read_state.read(state, one)
            )
            assert state.mark >= mark
        every = [ReadMark(one.turn, one.read) if isinstance(one, ReadState) else one for one in said]
        assert state.mark == max(every, default=ReadMark())

    def test_newer_count_of_the_same_mark_counts(self) -> None:
        state = room_read_state.take_told(
            RoomReadState(ReadState(3, unread=2, counted=5)), ReadState(3, unread=4, counted=8)
        )
        state = room_read_state.take_told(state, ReadState(3, unread=3, counted=7))
        assert state.unread == 4


class TestCounts:
    @given(st.lists(st.sampled_from(["bob", ME]), max_size=LATER_LIMIT * 2), st.integers(0, 40), st.integers(0, 60))
    def test_count_is_that_of_the_messages_of_others_after_the_mark(
        self, authors: list[str], head: int, more: int
    ) -> None:
        state = RoomReadState(ReadState(0, unread=head, counted=head))
        for offset, author in enumerate(authors, head + 1):
            state = room_read_state.take_message(state, message(offset, username=author), ME)
        assert state.unread == head + authors.count("bob")
        state = room_read_state.read(state, ReadMark(0, head + more))
        if len(authors) <= LATER_LIMIT:
            assert state.unread == authors[more:].count("bob")
        state = room_read_state.read(state, ReadMark(0, head + len(authors)))
        assert state.unread == 0

    def test_message_counts_once(self) -> None:
        state = RoomReadState(ReadState(4, counted=4))
        for offset in (5, 6, 6, 5):
            state = room_read_state.take_message(state, message(offset), ME)
        assert state.unread == 2

    def test_counts_end_at_999(self) -> None:
        state = RoomReadState(ReadState(0, unread=MOST_TOLD, mentions=MOST_TOLD, counted=5000))
        state = room_read_state.take_message(state, message(5001), ME)
        assert (state.unread, state.mentions) == (MOST_TOLD, MOST_TOLD)
