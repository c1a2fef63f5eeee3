"""The rate limit of notifications."""

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from client.notifications.notification import NotableMessage, NotifyReason
from client.notifications.notification_rate import NotificationRate
from tests.unit.client.world import message


def heard(offset: int, room: str = "ops", why: NotifyReason = NotifyReason.MESSAGE) -> NotableMessage:
    return NotableMessage(message(offset, room=room), why)


def test_first_notification_is_sent_at_once() -> None:
    notice = NotificationRate(5).take(heard(1), 100.0)
    assert notice is not None
    assert (notice.title, notice.body, notice.count) == ("bob in #ops", "message 1", 1)


def test_messages_within_the_quiet_period_are_gathered() -> None:
    burst = NotificationRate(5)
    burst.take(heard(1), 100.0)
    assert [burst.take(heard(offset), 100.0 + offset) for offset in (2, 3, 4)] == [None] * 3
    assert burst.due_s == 105.0
    assert burst.flush(104.9) is None
    notice = burst.flush(105.0)
    assert notice is not None
    assert (notice.title, notice.body) == ("3 new in #ops", "bob: message 4")
    assert burst.due_s is None


def test_single_gathered_message_is_shown_as_it_is() -> None:
    burst = NotificationRate(5)
    burst.take(heard(1), 100.0)
    burst.take(heard(2), 101.0)
    notice = burst.flush(106.0)
    assert notice is not None
    assert notice.title == "bob in #ops"


def test_room_with_most_messages_is_named_first() -> None:
    burst = NotificationRate(5)
    burst.take(heard(1), 0.0)
    for room in ("a", "b", "b", "c", "d", "e"):
        burst.take(heard(1, room), 1.0)
    notice = burst.flush(5.0)
    assert notice is not None
    assert notice.title == "2 new in #b, 1 new in #a, 1 new in #c, and in 2 more"


def test_most_urgent_message_is_shown() -> None:
    burst = NotificationRate(5)
    burst.take(heard(1), 0.0)
    for offset, why in enumerate((NotifyReason.MENTION, NotifyReason.KEYWORD, NotifyReason.MESSAGE)):
        burst.take(heard(offset, why=why), 1.0)
    notice = burst.flush(5.0)
    assert notice is not None
    assert (notice.reason, notice.body) == (NotifyReason.MENTION, "bob: message 0")


def test_messages_of_a_room_that_was_read_are_dropped() -> None:
    burst = NotificationRate(5)
    burst.take(heard(1), 0.0)
    burst.take(heard(2), 1.0)
    burst.take(heard(1, "dev"), 1.0)
    burst.forget("ops")
    notice = burst.flush(5.0)
    assert notice is not None
    assert notice.title == "bob in #dev"
    burst.forget("dev")
    assert burst.flush(99.0) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 3)), max_size=100), st.sampled_from([0.0, 1.0, 5.0]))
def test_every_message_is_counted_and_notifications_keep_the_quiet_period(
    steps: list[tuple[str, float]], quiet_s: float
) -> None:
    burst, now_s, counted, times = NotificationRate(quiet_s), 0.0, 0, []
    for room, wait_s in steps:
        now_s += wait_s
        notice = burst.take(heard(1, room), now_s)
        if notice is not None:
            counted += notice.count
            times.append(now_s)
    last = burst.flush(now_s + quiet_s)
    assert counted + (last.count if last else 0) == len(steps)
    assert all(later - earlier >= quiet_s for earlier, later in pairwise(times))


def test_deleted_message_leaves_what_was_gathered_and_an_edited_one_is_reported_as_it_is_now() -> None:
    burst = NotificationRate(5)
    burst.take(heard(1), 100.0)
    for offset in (2, 3, 4):
        burst.take(heard(offset), 101.0)
    burst.change(msgspec.structs.replace(message(4, room="ops"), rev=1, content="", deleted=True))
    burst.change(msgspec.structs.replace(message(3, room="ops"), rev=2, content="better"))
    burst.change(msgspec.structs.replace(message(2, room="dev"), rev=2, content="elsewhere"))
    notice = burst.flush(105.0)
    assert notice is not None
    assert (notice.title, notice.body) == ("2 new in #ops", "bob: better")
    assert "message 4" not in repr(vars(burst)) + repr(notice)


def test_nothing_is_reported_once_all_that_was_gathered_is_deleted() -> None:
    burst = NotificationRate(5)
    burst.take(heard(1), 100.0)
    burst.take(heard(2), 101.0)
    burst.change(msgspec.structs.replace(message(2, room="ops"), rev=1, content="", deleted=True))
    assert (burst.due_s, burst.flush(105.0)) == (None, None)
