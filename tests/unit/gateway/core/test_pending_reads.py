"""Read positions: one of each user and room is stored, the greatest, and everyone who reported one gets a reply."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.history_api import ReadPosition
from services.gateway.core.pending_reads import (
    CHUNK_POSITIONS,
    FLOOD_PAUSE_S,
    FLOOD_POSITIONS,
    PAUSE_S,
    PendingReads,
)


def read(offset: int, turn: int | None = None, *, user: int = 1, room: int = 1) -> ReadPosition:
    return ReadPosition(room, user, offset, turn)


def collected(*positions: ReadPosition) -> PendingReads[int]:
    """Positions, each reported by a waiter with its number."""
    reads = PendingReads[int]()
    for number, position in enumerate(positions):
        reads.add(position, number)
    return reads


positions = st.builds(
    read, st.integers(0, 9), st.none() | st.integers(0, 3), user=st.integers(1, 4), room=st.integers(1, 3)
)


class TestPositions:
    def test_the_greatest_offset_of_a_user_and_room_is_stored_once(self) -> None:
        [[pending]] = collected(read(3), read(7), read(5)).take_round(0)
        assert pending == (read(7), [0, 1, 2])

    def test_a_later_turn_is_greater_than_any_offset_of_an_earlier_one(self) -> None:
        [[pending]] = collected(read(9, turn=1), read(2, turn=2), read(8, turn=1)).take_round(0)
        assert pending == (read(2, turn=2), [0, 1, 2])

    def test_users_and_rooms_have_positions_of_their_own(self) -> None:
        apart = (read(1), read(2, user=2), read(3, room=2))
        [chunk] = collected(*apart).take_round(0)
        assert [pending.position for pending in chunk] == list(apart)

    def test_a_position_without_turn_keeps_its_place_among_those_with_one(self) -> None:
        """Which is the greater depends on the turn that history has by then: they are stored one after the other."""
        chunks = collected(read(8), read(9), read(5, turn=1), read(10), read(4, turn=1)).take_round(0)
        assert [[pending.position for pending in chunk] for chunk in chunks] == [
            [read(9)],
            [read(5, turn=1)],
            [read(10)],
            [read(4, turn=1)],
        ]

    @given(st.lists(positions, max_size=60))
    def test_stored_in_chunks_the_positions_end_as_one_by_one(self, reported: list[ReadPosition]) -> None:
        chunks = collected(*reported).take_round(0)
        assert _stored(pending.position for chunk in chunks for pending in chunk) == _stored(reported)
        assert sorted(waiter for chunk in chunks for pending in chunk for waiter in pending.waiting) == list(
            range(len(reported))
        )
        for chunk in chunks:
            keys = [(pending.position.user_id, pending.position.room_id) for pending in chunk]
            assert len(keys) == len(set(keys))


def _stored(reported: Iterable[ReadPosition]) -> dict[tuple[int, int], tuple[int, int]]:
    """What history has after these positions: (turn, offset) of each user and room."""
    stored: dict[tuple[int, int], tuple[int, int]] = {}
    for position in reported:
        key = (position.user_id, position.room_id)
        now = stored.get(key, (0, 0))
        stored[key] = max(now, (now[0] if position.turn is None else position.turn, position.offset))
    return stored


class TestRounds:
    def test_the_first_position_is_due_at_once_and_the_next_after_a_pause(self) -> None:
        reads = collected(read(1))
        assert reads.due_s() < 0
        reads.take_round(100)
        reads.add(read(2), 1)
        assert reads.due_s() == 100 + PAUSE_S

    def test_a_flood_of_positions_waits_longer(self) -> None:
        reads = PendingReads[int]()
        reads.take_round(100)
        for user in range(FLOOD_POSITIONS):
            reads.add(read(1, user=user), user)
        assert reads.due_s() == 100 + PAUSE_S
        reads.add(read(1, user=FLOOD_POSITIONS), FLOOD_POSITIONS)
        assert reads.due_s() == 100 + FLOOD_PAUSE_S

    def test_a_round_takes_everything_in_bounded_chunks(self) -> None:
        reads = collected(*(read(1, user=user) for user in range(CHUNK_POSITIONS + 1)), read(2, user=0))
        assert (len(reads), reads.waiting) == (CHUNK_POSITIONS + 1, CHUNK_POSITIONS + 2)
        assert [len(chunk) for chunk in reads.take_round(0)] == [CHUNK_POSITIONS, 1]
        assert (len(reads), reads.waiting, reads.take_round(0)) == (0, 0, [])
