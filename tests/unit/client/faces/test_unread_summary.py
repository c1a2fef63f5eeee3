"""Unread messages of other rooms: kept, counted, summarised."""

from hypothesis import given
from hypothesis import strategies as st

from client.faces.unread_summary import AGAIN_S, GATHER_S, KEPT, UnreadSummary
from tests.unit.client.world import message


def test_first_unread_message_waits_for_others() -> None:
    unread = UnreadSummary()
    unread.add(message(1, room="ops"), 10.0, mine=False)
    unread.add(message(2, room="ops"), 10.9, mine=False)
    assert unread.due_s == 10.0 + GATHER_S
    assert unread.take_due(10.5) == {}
    assert unread.take_due(11.0) == {"ops": 2}
    assert unread.due_s is None


def test_busy_room_is_summarised_now_and_then() -> None:
    unread = UnreadSummary()
    said = 0
    for second in range(120):
        unread.add(message(second + 1, room="ops"), float(second), mine=False)
        said += bool(unread.take_due(float(second)))
    assert said == 120 // AGAIN_S


def test_messages_before_the_kept_ones_are_counted() -> None:
    unread = UnreadSummary()
    for offset in range(1, KEPT + 181):
        unread.add(message(offset, room="ops"), 0.0, mine=False)
    assert unread.dropped("ops") == 180
    unread.take("ops")
    assert unread.dropped("ops") == 0


def test_opening_a_room_takes_the_kept_messages_and_starts_over() -> None:
    unread = UnreadSummary()
    for offset in range(1, KEPT + 11):
        unread.add(message(offset, room="ops"), 0.0, mine=False)
    assert [kept.at.offset for kept in unread.take("ops")] == list(range(11, KEPT + 11))
    assert unread.take("ops") == []
    assert (unread.counts, unread.due_s) == ({}, None)


def test_own_message_is_kept_but_not_counted_as_unread() -> None:
    unread = UnreadSummary()
    unread.add(message(1, room="ops"), 0.0, mine=True)
    assert (unread.counts, unread.due_s) == ({}, None)
    assert len(unread.take("ops")) == 1


@given(st.lists(st.tuples(st.sampled_from(["ops", "dev"]), st.floats(0, 5), st.booleans())))
def test_every_unread_message_is_finally_counted_in_a_summary(
    arrivals: list[tuple[str, float, bool]],
) -> None:
    unread, now_s, told = UnreadSummary(), 0.0, dict[str, int]()
    for offset, (room, after_s, mine) in enumerate(arrivals, 1):
        now_s += after_s
        unread.add(message(offset, room=room), now_s, mine=mine)
        told |= unread.take_due(now_s)
    told |= unread.take_due(now_s + GATHER_S + AGAIN_S)
    assert told == unread.counts
    assert sum(told.values()) == sum(not mine for _, _, mine in arrivals)
