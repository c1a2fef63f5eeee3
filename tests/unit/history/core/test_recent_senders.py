"""Who sent the newest messages, in memory."""

from array import array
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from services.history.core.append_plan import MessageRow
from services.history.core.recent_senders import ROOM_WEIGHT, RecentSenders, SenderRun

ADA, BOB = 1, 2


def run(first: int, *user_ids: int) -> SenderRun:
    return SenderRun(first, array("q", user_ids))


def append(senders: RecentSenders, room_id: int, offset: int, user_id: int) -> None:
    senders.follow([MessageRow(0, room_id, offset, user_id, "", "", 0, None)])


def after(count: int, *, per_room: int = 10, total: int = 1000) -> RecentSenders:
    """What is remembered of room 5 after `count` messages of ada."""
    senders = RecentSenders(per_room, total)
    for offset in range(1, count + 1):
        append(senders, 5, offset, ADA)
    return senders


def test_own_messages_are_counted_in_a_part_of_a_room() -> None:
    senders = RecentSenders()
    for offset, user_id in enumerate([ADA, BOB, ADA, ADA, BOB], 1):
        append(senders, 5, offset, user_id)
    assert [senders.count(5, ADA, start, 5) for start in range(6)] == [3, 2, 2, 1, 0, 0]
    assert senders.count(5, ADA, 0, 3) == 2


def test_a_count_that_needs_unknown_messages_is_none() -> None:
    senders = RecentSenders()
    append(senders, 5, 8, ADA)
    assert senders.count(6, ADA, 0, 1) is None
    assert senders.count(5, ADA, 6, 8) is None
    assert senders.count(5, ADA, 7, 9) is None
    assert senders.count(5, ADA, 7, 8) == 1


def test_a_gap_forgets_what_was_before_it() -> None:
    senders = after(3)
    append(senders, 5, 7, BOB)
    assert senders.count(5, ADA, 0, 3) is None
    assert senders.count(5, BOB, 6, 7) == 1


def test_stored_messages_are_joined_with_newer_ones() -> None:
    senders = RecentSenders()
    append(senders, 5, 4, ADA)
    senders.add(5, run(1, ADA, BOB, ADA, ADA))
    append(senders, 5, 5, ADA)
    assert senders.count(5, ADA, 0, 5) == 4


def test_stored_messages_that_do_not_meet_newer_ones_are_not_remembered() -> None:
    senders = RecentSenders()
    append(senders, 5, 4, ADA)
    senders.add(5, run(1, ADA, BOB))
    assert senders.count(5, ADA, 0, 4) is None
    assert senders.count(5, ADA, 3, 4) == 1


def test_one_batch_of_a_whole_room_keeps_within_its_bound() -> None:
    senders = RecentSenders(per_room=10)
    senders.follow([MessageRow(0, 5, offset, ADA, "", "", 0, None) for offset in range(1, 1001)])
    assert senders.weight <= 20 + ROOM_WEIGHT
    assert senders.count(5, ADA, 990, 1000) == 10


def test_a_room_keeps_its_newest_messages_within_its_bound() -> None:
    senders = after(1000)
    assert senders.weight <= 20 + ROOM_WEIGHT
    assert senders.count(5, ADA, 990, 1000) == 10


def test_the_room_that_was_asked_for_least_recently_is_forgotten_first() -> None:
    senders = RecentSenders(per_room=10, total=3 * (ROOM_WEIGHT + 1))
    for room_id in (1, 2, 3):
        append(senders, room_id, 1, ADA)
    senders.count(1, ADA, 0, 1)
    append(senders, 4, 1, ADA)
    assert [senders.count(room_id, ADA, 0, 1) for room_id in (1, 2, 3, 4)] == [1, None, 1, 1]


def test_a_deleted_room_is_forgotten() -> None:
    senders = after(5)
    senders.forget(5)
    assert senders.weight == 0
    assert senders.count(5, ADA, 4, 5) is None


steps = st.lists(
    st.tuples(st.sampled_from(["append", "skip", "add", "forget", "count"]), st.integers(1, 4), st.integers(0, 30)),
    max_size=60,
)


@given(steps, st.data())
def test_a_count_is_right_or_unknown_and_memory_stays_within_its_bounds(
    steps: Sequence[tuple[str, int, int]], data: st.DataObject
) -> None:
    senders = RecentSenders(per_room=4, total=3 * ROOM_WEIGHT)
    stored: dict[int, list[int]] = {room_id: [] for room_id in range(1, 5)}
    for step, room_id, number in steps:
        messages = stored[room_id]
        if step in {"append", "skip"}:
            messages.append(number % 3)
            if step == "append":
                append(senders, room_id, len(messages), number % 3)
        elif step == "add":
            start = min(number, len(messages))
            senders.add(room_id, run(start + 1, *messages[start:]))
        elif step == "forget":
            senders.forget(room_id)
        else:
            start = data.draw(st.integers(0, len(messages)))
            end = data.draw(st.integers(start, len(messages)))
            assert senders.count(room_id, 1, start, end) in {messages[start:end].count(1), None}
        assert senders.weight <= max(3 * ROOM_WEIGHT, ROOM_WEIGHT + 8)
